// Makes docs/api.md from the declarations that tsc writes, and from their doc comments. The layout
// of a declaration file is fixed: top-level declarations begin in column 0, members in column 4.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const MODULES = { 'litestream-ts': 'index.d.ts', 'litestream-ts/metrics': 'status/index.d.ts' }

/** Sections of functions and classes, in this order; every exported one is in exactly one. */
const SECTIONS = [
  ['Replicate', ['replicate', 'Replication', 'replicateOnce']],
  ['Read a replica', ['openReplica', 'Replica', 'load', 'getLoadablePath']],
  ['Read many replicas', ['openReplicas', 'ReplicaPool', 'PooledReplica']],
  ['Restore and copy', ['restore', 'hydrateFile', 'follow', 'planRestore', 'mirror', 'followMirror']],
  ['Check', ['verifyReplica', 'inspectLtx', 'verifyLtx']],
  ['Compact and delete', ['compact', 'createSnapshot', 'enforceL0Retention', 'enforceSnapshotRetention']],
  ['Stores', ['openReplicaClient']],
  ['TXIDs', ['formatTxid', 'parseTxid']],
  ['Metrics and status', ['serveReplicas', 'registerReplicaMetrics']],
  ['Errors', ['LitestreamError', 'isLitestreamError']],
]

const UNITS = `Rules that hold everywhere:

- A duration is a number of milliseconds or text such as \`'500ms'\`, \`'30s'\`, \`'1h30m'\`. A size is a number of bytes or text such as
  \`'64MiB'\`, \`'5MB'\`. A time is a \`Date\` or RFC 3339 text such as \`'2026-01-31T15:04:05Z'\`.
- Results have a \`Date\` for each instant, and milliseconds and bytes as numbers. Only the types of the file format and of the stores
  (\`LtxHeader\`, \`LtxFileInfo\`) have milliseconds since the epoch, as LTX files do.
- Every function that returns a promise takes a \`signal\` and a \`timeout\`. After an abort, the promise rejects with the reason of the
  signal, or with \`ABORTED\` and the reason as \`cause\`. At the deadline, the promise rejects with \`TIMEOUT\`.
- An operation on a replica takes the URL of the replica, or a client that \`openReplicaClient\` returned. An operation that opens a
  client itself closes the client when the operation ends.
- Every error is a \`LitestreamError\` with a \`code\` and a \`hint\`. An option that is unknown or has a wrong value is \`INVALID_ARGUMENT\`.
`

/** The text and the tags of a doc comment: `{ text, throws, example, internal }`. */
function readDoc(comment) {
  const lines = comment
    .replace(/^\s*\/\*\*/, '')
    .replace(/\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
  const doc = { text: [], throws: [], example: [], internal: false }
  let part = 'text'
  for (const line of lines) {
    const tag = /^\s*@(\w+)\s?(.*)$/.exec(line)
    if (tag?.[1] === 'internal') doc.internal = true
    else if (tag && tag[1] in doc) {
      part = tag[1]
      if (tag[2]) doc[part].push(tag[2])
    } else doc[part].push(line)
  }
  const prose = (part) =>
    part
      .join('\n')
      .trim()
      .split(/\n\s*\n/)
      .map((paragraph) => (/^\s*- /m.test(paragraph) ? paragraph : paragraph.replace(/\s*\n\s*/g, ' ').trim()))
      .join('\n\n')
  return {
    text: prose(doc.text),
    throws: prose(doc.throws),
    example: doc.example.join('\n').trim(),
    internal: doc.internal,
  }
}

/** Splits text at `separator` where no bracket is open. */
function splitOutside(text, separator) {
  const parts = ['']
  let depth = 0
  let quote
  for (const [i, c] of [...text].entries()) {
    if (quote) quote = c === quote ? undefined : quote
    else if (`'"\``.includes(c)) quote = c
    else if ('([{<'.includes(c)) depth++
    else if (')]}'.includes(c) || (c === '>' && text[i - 1] !== '=')) depth--
    if (c === separator && depth === 0 && !quote) parts.push('')
    else parts[parts.length - 1] += c
  }
  return parts.map((part) => part.trim()).filter(Boolean)
}

const oneLine = (text) =>
  text
    .replace(/\/\*\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .replace(/\breadonly (?=\w+[?]?:)/g, '')
    .replace(/; \}/g, ' }')
    .trim()

const ENDS_WITH_BRACE = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface) /

/** How many brackets a line opens, less those that it closes. */
function openedBy(line) {
  const bare = line.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, '').replaceAll('=>', '')
  return [...bare].reduce((sum, c) => sum + ('([{<'.includes(c) ? 1 : ')]}>'.includes(c) ? -1 : 0), 0)
}

/** The statements of a block whose lines begin in column `indent`: doc comment and lines of each. */
function statements(lines, indent) {
  const found = []
  let comment
  let own = []
  let depth = 0
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i].slice(indent)
    if (line.trim().startsWith('/**')) {
      const begin = i
      while (!lines[i].includes('*/')) i++
      if (own.length === 0) comment = lines.slice(begin, i + 1).join('\n')
      else own.push(...lines.slice(begin, i + 1).map((each) => each.slice(indent)))
      continue
    }
    if (line.trim() === '' || line.trim().startsWith('//')) continue
    own.push(line)
    depth += openedBy(line)
    const ends = line.endsWith(';') || (line.endsWith('}') && ENDS_WITH_BRACE.test(own[0]))
    if (depth > 0 || !ends) continue
    found.push({ comment, lines: own })
    comment = undefined
    own = []
    depth = 0
  }
  return found
}

/** A doc comment, with those of the fields of an object type in `text` after it. */
function withFields(doc, text) {
  const fields = [...text.matchAll(/(\/\*\*(?:[^*]|\*(?!\/))*\*\/)\s*(?:readonly )?(\w+)\??:/g)]
  const parts = fields.map(([, comment, name]) => `\`${name}\`: ${readDoc(comment).text}`)
  return { ...doc, text: [doc.text, ...parts].filter(Boolean).join(' ') }
}

class Declarations {
  #modules = new Map()

  constructor(folder) {
    this.folder = folder
  }

  /** The declarations, imports and exports of one file. */
  module(file) {
    let known = this.#modules.get(file)
    if (known) return known
    known = { declared: new Map(), from: new Map(), stars: [] }
    this.#modules.set(file, known)
    const lines = readFileSync(path.join(this.folder, file), 'utf8').split('\n')
    for (const { comment, lines: own } of statements(lines, 0)) {
      const text = own.join('\n')
      const named = /^(?:import|export)(?: type)? \{([^}]*)\} from '(\.[^']*)'/.exec(text)
      const target = (specifier) => path.join(path.dirname(file), specifier.replace(/\.js$/, '.d.ts'))
      const star = /^export \* from '(\.[^']*)'/.exec(text)
      if (star) known.stars.push(target(star[1]))
      if (named) {
        for (const each of named[1].split(',').filter((part) => part.trim())) {
          const [name, alias = name] = each
            .trim()
            .replace(/^type /, '')
            .split(' as ')
          known.from.set(alias, [name, target(named[2])])
        }
      }
      const declared = /^(?:export )?(?:declare )?(function|class|interface|type|const) (\w+)/.exec(text)
      if (declared) {
        const [, kind, name] = declared
        known.declared.set(name, { kind, name, file, doc: readDoc(comment ?? ''), lines: own })
      }
    }
    return known
  }

  /** The declaration that `name` means in `file`; undefined for one of another package. */
  find(name, file) {
    if (!existsSync(path.join(this.folder, file))) return undefined
    const { declared, from, stars } = this.module(file)
    if (declared.has(name)) return declared.get(name)
    if (from.has(name)) return this.find(...from.get(name))
    for (const star of stars) {
      const found = this.find(name, star)
      if (found) return found
    }
    return undefined
  }

  /** The names that a module exports. */
  exported(file) {
    const { from, stars, declared } = this.module(file)
    const own = [...declared.values()].filter(({ lines }) => lines[0].startsWith('export')).map(({ name }) => name)
    return [...from.keys(), ...stars.flatMap((star) => this.exported(star)), ...own]
  }

  /** The members of an interface or class, with those that it inherits from this package. */
  members(declaration) {
    const { lines, file } = declaration
    const head = lines[0]
    const own = statements(lines.slice(1, -1), 4)
      .map(({ comment, lines: each }) => ({ doc: readDoc(comment ?? ''), text: each.join('\n').replace(/;$/, '') }))
      .filter(({ doc, text }) => !doc.internal && !/^(?:#private|constructor|private |\[)/.test(text))
      .map(({ doc, text }) => {
        const [, name, optional] = /^(?:readonly |get |static )*(\w+)(\??)/.exec(text)
        return { name, optional: optional === '?', text, doc: withFields(doc, text), file }
      })
    const inherited = splitOutside(/ extends (.*?)(?: implements .*)? \{$/.exec(head)?.[1] ?? '', ',').flatMap((base) =>
      this.inherited(base, file),
    )
    return [...own, ...inherited.filter(({ name }) => own.every((each) => each.name !== name))]
  }

  /** The members that a base such as `Omit<A, 'b'>` or `Pick<A, 'b'>` contributes. */
  inherited(base, file) {
    const wrapped = /^(Omit|Pick|Partial|Required)<(.*)>$/s.exec(base)
    if (!wrapped) {
      const found = this.find(base.replace(/<.*/s, ''), file)
      if (found?.kind === 'interface') return this.members(found)
      if (found?.kind === 'type') return this.inherited(this.alias(found), found.file)
      return []
    }
    const [inner, keys = ''] = splitOutside(wrapped[2], ',')
    const names = [...keys.matchAll(/'(\w+)'/g)].map(([, name]) => name)
    const all = this.inherited(inner, file)
    if (wrapped[1] === 'Omit') return all.filter(({ name }) => !names.includes(name))
    return wrapped[1] === 'Pick' ? all.filter(({ name }) => names.includes(name)) : all
  }

  /** The text of a type alias, without its comments. */
  alias({ lines }) {
    return oneLine(lines.join('\n').replace(/^[^=]*=/, '')).replace(/;$/, '')
  }
}

const cell = (text) => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')
const code = (text) => `\`${cell(text)}\``

/** `name: type` of a member, as type. */
const typeOf = ({ text }) =>
  oneLine(text)
    .replace(/^(?:readonly |get |static )*\w+\??(?:\(\))?: /, '')
    .replace(/^\((.*)\) \| undefined$/, '$1')

function table(head, rows) {
  return [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n')
}

class ApiPage {
  /** The types that the text names so far, in the order in which it names them. */
  #named = new Map()
  examples = []

  constructor(declarations) {
    this.declarations = declarations
  }

  /** Notes the types of this package that `text` of `file` names. */
  note(text, file) {
    for (const [name] of text.replace(/'[^']*'/g, '').matchAll(/\b[A-Z]\w+\b/g)) {
      const found = this.declarations.find(name, file)
      if (!found || found.kind === 'class' || found.kind === 'const') continue
      const known = this.#named.get(name)
      if (known && known.file !== found.file) throw new Error(`${name} is a type of ${known.file} and of ${found.file}`)
      this.#named.set(name, found)
    }
  }

  propertyTable(members, head = ['name', 'type', 'meaning']) {
    for (const member of members) this.note(typeOf(member), member.file)
    return table(
      head,
      members.map((member) => [
        code(member.name + (member.optional ? '?' : '')),
        code(member.optional ? typeOf(member).replace(/ \| undefined$/, '') : typeOf(member)),
        cell(member.doc.text),
      ]),
    )
  }

  prose({ text, throws, example }) {
    const parts = []
    if (text) parts.push(text, '')
    if (throws) parts.push(`Throws ${throws}`, '')
    if (example) {
      parts.push('```ts', this.withImports(example), '```', '')
      this.examples.push(example)
    }
    return parts.join('\n')
  }

  withImports(example) {
    const lines = []
    for (const [module, file] of Object.entries(MODULES)) {
      const names = this.declarations
        .exported(file)
        .filter((name) => new RegExp(`(?<![\\w.'])${name}\\(`).test(example) && /^[a-z]/.test(name))
      if (names.length > 0) lines.push(`import { ${[...new Set(names)].sort().join(', ')} } from '${module}'`)
    }
    if (/\bnew Registry\(/.test(example)) lines.unshift("import { Registry } from 'prom-client'")
    if (/\bnew Database\(/.test(example)) lines.unshift("import Database from 'better-sqlite3'")
    return [...lines, '', example].join('\n')
  }

  functionPart(declaration) {
    const text = oneLine(declaration.lines.join('\n'))
      .replace(/^export declare function /, '')
      .replace(/;$/, '')
    this.note(text, declaration.file)
    const parts = [`### ${declaration.name}`, '', '```ts norun', text, '```', '', this.prose(declaration.doc)]
    const options = /[({ ,]options\??: (.+?)\): /.exec(text)?.[1]
    if (options) {
      const members = options.split(' & ').flatMap((each) => this.declarations.inherited(each.trim(), declaration.file))
      const unique = [...new Map(members.map((member) => [member.name, member])).values()]
      if (unique.length > 0) parts.push(this.propertyTable(unique, ['option', 'type', 'meaning']))
    }
    return parts.join('\n')
  }

  classPart(declaration) {
    const members = this.declarations.members(declaration)
    const isMethod = ({ text }) => /^\w+\s*[(<]/.test(text)
    const parts = [`### ${declaration.name}`, '', this.prose(declaration.doc)]
    const properties = members.filter((member) => !isMethod(member))
    if (properties.length > 0) parts.push(this.propertyTable(properties, ['property', 'type', 'meaning']))
    for (const member of members.filter(isMethod)) {
      const text = oneLine(member.text)
      this.note(text, member.file)
      parts.push(`#### ${declaration.name}.${member.name}`, '', '```ts norun', text, '```', '', this.prose(member.doc))
    }
    const events = /extends EventEmitter<(\w+)>/.exec(declaration.lines[0])?.[1]
    if (events) parts.push(this.events(declaration, events))
    return parts.join('\n')
  }

  events({ name, file }, map) {
    let found = this.declarations.find(map, file)
    // A map that is made of another one by a mapped type.
    const source = found.kind === 'type' ? /keyof (\w+)/.exec(this.declarations.alias(found))?.[1] : undefined
    if (source) found = this.declarations.find(source, file)
    const members = this.declarations.members(found)
    for (const member of members) this.note(typeOf(member), member.file)
    const rows = members.map((member) => [
      code(member.name),
      code(typeOf(member).replace(/^\[(.*)\]$/, '$1') || '–'),
      cell(member.doc.text),
    ])
    return [`#### Events of ${name}`, '', table(['event', 'argument', 'when'], rows)].join('\n')
  }

  typePart(declaration) {
    const parts = [`### ${declaration.name}`, '', this.prose(declaration.doc)]
    if (declaration.kind === 'interface') parts.push(this.propertyTable(this.declarations.members(declaration)))
    else {
      const text = this.declarations.alias(declaration)
      this.note(text, declaration.file)
      parts.push('```ts norun', `type ${declaration.name} = ${text}`, '```', '')
    }
    return parts.join('\n')
  }

  errorCodes(hints) {
    const { lines } = this.declarations.find('ErrorCode', 'index.d.ts')
    const rows = [...lines.join('\n').matchAll(/\/\*\* (.*?) \*\/\s*\|? ?'(\w+)'/gs)].map(([, meaning, name]) => [
      code(name),
      cell(meaning.replace(/\s*\n\s*\*?\s*/g, ' ')),
      cell(hints[name]),
    ])
    if (rows.length !== Object.keys(hints).length) throw new Error('an error code of src/errors.ts has no doc comment')
    return table(['code', 'meaning', 'default hint'], rows)
  }

  /** The types named so far, and those that they name. */
  types(skip) {
    const parts = new Map()
    for (let before = -1; before !== parts.size; ) {
      before = parts.size
      for (const [name, declaration] of [...this.#named]) {
        if (!parts.has(name) && !skip.has(name)) parts.set(name, this.typePart(declaration))
      }
    }
    return [...parts].sort(([a], [b]) => a.localeCompare(b, 'en')).map(([, part]) => part)
  }
}

/**
 * The text of docs/api.md, and its examples without imports. `folder`: the declarations of src/.
 * Throws for an exported function or class that SECTIONS does not list.
 */
export function apiPage(folder, hints) {
  const declarations = new Declarations(folder)
  const page = new ApiPage(declarations)
  const exported = Object.values(MODULES).flatMap((file) =>
    declarations.exported(file).map((name) => declarations.find(name, file)),
  )
  const listed = new Set(SECTIONS.flatMap(([, names]) => names))
  for (const { name, kind } of exported) {
    if ((kind === 'function' || kind === 'class') && !listed.has(name))
      throw new Error(`scripts/api-docs.mjs does not list ${name}`)
  }
  const body = SECTIONS.map(([title, names]) => {
    const parts = names.map((name) => {
      const declaration = exported.find((each) => each.name === name)
      if (!declaration) throw new Error(`scripts/api-docs.mjs lists ${name}, which is not exported`)
      return declaration.kind === 'class' ? page.classPart(declaration) : page.functionPart(declaration)
    })
    return [`## ${title}`, '', ...parts].join('\n')
  })
  for (const { name, file } of exported) page.note(name, file)
  const text = [
    '# API reference',
    '',
    '<!-- Generated from the doc comments by `npm run docs`. -->',
    '',
    'Everything that `litestream-ts` and `litestream-ts/metrics` export: [functions and classes](#replicate), [types](#types) and',
    '[error codes](#error-codes). The other pages explain when to use each function.',
    '',
    UNITS,
    ...body,
    '## Error codes',
    '',
    page.errorCodes(hints),
    '## Types',
    '',
    ...page.types(new Set(['ErrorCode'])),
  ].join('\n')
  return {
    text: `${text.replace(/\n{3,}/g, '\n\n').trimEnd()}\n`,
    examples: page.examples.map((example) => page.withImports(example)),
  }
}
