// Bundles the JavaScript of dist/ (tsc writes its types) into a few files: a process that opens its
// first replica spends most of that time on loading modules. Names are kept, so that stack traces
// are readable without the source maps.
//
// Bundles:
// - the entry points of package.json, together, so that all of them share one copy of each class,
//   with chunks for modules that are imported on demand;
// - the commands, each a chunk that is loaded when it is called, as CommonJS: Node.js needs 10 ms
//   less to start, and a fifth of the time per file;
// - the module of each thread alone: threads share no classes, and an opening waits for the
//   worker's;
// - the parts of the AWS SDK and of the NATS client that src/storage/s3/aws.ts and
//   src/storage/nats/library.ts export, loaded only for S3 and NATS;
// - the code and the style of the status page, for browsers (bundle-page.mjs).
// The threads are CommonJS too, because the loader of ES modules takes some 10 ms to start in each.
//
// No compiled form of them (V8's code cache) is shipped or written at install: V8 accepts the cache
// of another patch level of Node.js, and the process crashes.
//
// The code of all packages is included: they are development dependencies, so that an installation
// is one package, and their licences are collected in dist/THIRD_PARTY_LICENSES.txt.
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, transform } from 'esbuild'
import { bundlePage } from './bundle-page.mjs'
import { notices, packagesOf } from './licences.mjs'
import { TARGETS } from './prebuild/targets.mjs'

const root = path.dirname(import.meta.dirname)
const dist = path.join(root, 'dist')
const AWS = 'storage/s3/aws'
const NATS = 'storage/nats/library'
const ENTRIES = ['index', 'status/index']
const PROGRAM = 'cli/main'
const THREADS = ['replica/worker/worker', 'primary/worker', 'replica/handle/prefetch-thread', 'integrity/worker']
const INLINE_MAP = '//# sourceMappingURL=data:'

const { dependencies, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
if (dependencies) throw new Error(`bundle: ${Object.keys(dependencies)} would be installed, yet their code is included`)

/** CommonJS packages call `require` for modules of Node.js, which an ES module does not have. */
const REQUIRE = "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url??__filename);"

/**
 * Libraries that are bundles of their own, shared by all others; `folder`: where they are from;
 * `ending`: of their file.
 */
const librariesOutside = (folder, ending) => ({
  name: 'libraries-outside',
  setup({ onResolve }) {
    onResolve({ filter: /\/(aws|library)\.js$/ }, ({ path: file, resolveDir }) => {
      const imported = path.relative(path.join(root, 'src'), path.resolve(resolveDir, file)).replace(/\.js$/, '')
      const library = [AWS, NATS].find((one) => one === imported.replaceAll(path.sep, '/'))
      // Other stores have files of the same names.
      return library === undefined ? undefined : { path: `${folder}${library}${ending}`, external: true }
    })
  },
})

/**
 * Code that several files of a bundle need goes into chunks, one for each set of files that need
 * it, which makes many of them. Where every file that is loaded late imports the first one, all that
 * the first one needs comes into one chunk. `joined`: by file, modules that it imports too.
 */
function oneCore(core, late, joined) {
  return {
    name: 'one-core',
    setup({ onLoad }) {
      onLoad({ filter: /\.[mc]?[jt]s$/ }, ({ path: file }) => {
        const name = path.relative(root, file).replaceAll(path.sep, '/')
        const needed = [...(late.has(name) ? [core] : []), ...(joined.get(name) ?? [])]
        if (needed.length === 0) return undefined
        // On the last line, so that source maps stay true; imports are evaluated first wherever
        // they stand.
        const imports = needed.map((one) => `import ${JSON.stringify(path.join(root, one))}`).join(';')
        return { contents: `${readFileSync(file, 'utf8')}\n${imports}`, loader: file.endsWith('ts') ? 'ts' : 'js' }
      })
    },
  }
}

/**
 * Modules that are loaded late, the commonest first. Each of these needs one more file for all that
 * it shares with others; for the first one, that is in the core.
 */
const COMMON = ['src/storage/file/file-client.ts', 'src/storage/s3/s3-client.ts', 'src/replica/worker/write/writing.ts']

/** Everything that a module imports, directly or not, without what it imports on demand. */
function importedBy(file, inputs) {
  const seen = new Set([file])
  for (const one of seen) {
    for (const { path: imported, kind, external } of inputs[one].imports) {
      if (kind !== 'dynamic-import' && !external) seen.add(imported)
    }
  }
  return seen
}

/**
 * Modules that import nothing but what their sources import, because commands that read no replica
 * need them. Each of the others imports all that is in a file that it needs.
 */
const SMALL = new Set(['src/cli/run-process.ts', 'src/cli/commands/version.ts'])

/** As COMMON, for the commands; none in the core, because some commands read no replica. */
const COMMON_OF_COMMANDS = [undefined, 'src/storage/file/file-client.ts', 'src/cli/commands/restore.ts']

/** Modules that a file of a bundle imports so that they come into one chunk with others, by file. */
function joinedShared(core, late, commonest, { inputs, outputs }) {
  const needs = new Map(late.map((file) => [file, importedBy(file, inputs)]))
  const placed = new Set([...importedBy(core, inputs), ...late])
  const isKept = (file) => Object.values(outputs).some((one) => one.inputs[file]?.bytesInOutput > 0)
  const joined = new Map()
  for (const common of commonest.filter((file) => needs.has(file))) {
    const others = late.filter((file) => file !== common)
    const shared = [...needs.get(common)].filter(
      (file) =>
        !placed.has(file) && file.startsWith('src/') && isKept(file) && others.some((one) => needs.get(one).has(file)),
    )
    const users =
      common === commonest[0]
        ? [core]
        : late.filter((one) => !SMALL.has(one) && shared.some((file) => needs.get(one).has(file)))
    for (const user of users) joined.set(user, [...(joined.get(user) ?? []), ...shared])
    for (const file of shared) placed.add(file)
  }
  return joined
}

/**
 * The SDK describes every shape and operation of S3 in arrays of one module. Those with computed
 * keys count as code that may have effects, so that a bundler keeps them all, and a thread that
 * opens a replica makes them. As pure calls they are kept only where an operation that is used
 * refers to them.
 */
const describedOnDemand = {
  name: 'described-on-demand',
  setup({ onLoad }) {
    onLoad({ filter: /client-s3[/\\]dist-es[/\\]schemas[/\\]schemas_0\.js$/ }, ({ path: file }) => {
      const description = /^((?:export )?var [\w$]+ = )(\[[^;]*?\n\s*\]);$/gm
      const text = readFileSync(file, 'utf8')
      const contents = text.replace(description, '$1/* @__PURE__ */ (() => $2)();')
      if (contents === text) throw new Error(`bundle: ${file} has no descriptions of the form that is known`)
      return { contents, loader: 'js' }
    })
  },
}

/**
 * Commander loads node:child_process, two megabytes with what it needs, for commands that are
 * programs of their own; there are none.
 */
function withoutChildProcess(file, text) {
  if (!/[/\\]commander[/\\]lib[/\\]command\.js$/.test(file)) return text
  const line = "const childProcess = require('node:child_process');"
  if (!text.includes(line)) throw new Error(`bundle: ${file} loads node:child_process in a way that is not known`)
  return text.replace(line, 'const childProcess = {};')
}

/**
 * string-width makes a segmenter and the set of all emoji when it is loaded, by every command, and
 * uses neither for ASCII. They are made on first use.
 */
function withoutEarlyEmoji(file, text) {
  if (file !== path.join(root, 'node_modules/string-width/index.js')) return text
  return [
    ['segmenter', 'segment', 'new Intl.Segmenter()'],
    ['rgiEmojiRegex', 'test', String.raw`/^\p{RGI_Emoji}$/v`],
  ].reduce((code, [name, method, value]) => {
    const line = `const ${name} = ${value};`
    if (!code.includes(line)) throw new Error(`bundle: ${file} makes ${name} in a way that is not known`)
    const lazy = `let ${name}Made; const ${name} = { ${method}: text => (${name}Made ??= ${value}).${method}(text) };`
    return code.replace(line, () => lazy)
  }, text)
}

/**
 * lru-cache measures times with `performance`, whose module takes 1 ms to load in each thread; only
 * entries with a lifetime need it, and there are none.
 */
function withoutPerformance(file, text) {
  if (!/[/\\]lru-cache[/\\]dist[/\\]esm[/\\]node[/\\]index\.min\.js$/.test(file)) return text
  const clock = 'typeof performance=="object"&&performance&&typeof performance.now=="function"?performance:Date'
  if (!text.includes(clock)) throw new Error(`bundle: ${file} chooses its clock in a way that is not known`)
  return text.replace(clock, 'Date')
}

/**
 * The modules of the SDK import from index modules. A bundler counts all that an index module
 * exports as needed by all that import it, so that the code of all kinds of credentials comes into
 * the chunk that every opening loads. This plugin lets them import from where a name is declared.
 */
const SDK = /[/\\]node_modules[/\\](@aws-sdk|@smithy)[/\\]/
async function importedDirectly(file, text, resolve) {
  if (!SDK.test(file)) return text
  const parts = []
  let end = 0
  for (const match of text.matchAll(/^import \{([^}]*)\} from "([^"]+)";$/gm)) {
    const index = await sdkModule(match[2], file, resolve)
    if (index === undefined) continue
    const imports = namesOf(match[1]).map(async ([name, local]) => {
      const found = (await declarationOf(name, index, resolve)) ?? { file: index, name }
      return `import { ${found.name} as ${local} } from ${JSON.stringify(found.file)};`
    })
    parts.push(text.slice(end, match.index), (await Promise.all(imports)).join(''))
    end = match.index + match[0].length
  }
  return parts.join('') + text.slice(end)
}

/** The names in the braces of an import or export: what each is there, and what it becomes. */
const namesOf = (list) =>
  list
    .split(',')
    .map((one) => one.trim().split(/\s+as\s+/))
    .filter(([name]) => name !== '')
    .map(([name, as = name]) => [name, as])

async function sdkModule(specifier, importer, resolve) {
  const { path: file, external } = await resolve(specifier, {
    kind: 'import-statement',
    resolveDir: path.dirname(importer),
  })
  return !external && SDK.test(file) ? file : undefined
}

/** The module that declares what `index` exports as `name`; undefined if it is not a known form. */
async function declarationOf(name, index, resolve) {
  const text = readFileSync(index, 'utf8')
  for (const [, list, specifier] of text.matchAll(/^export (?:\{([^}]*)\}|\*) from "([^"]+)";$/gm)) {
    const [own] = list === undefined ? [name] : (namesOf(list).find(([, as]) => as === name) ?? [])
    const file = own === undefined ? undefined : await sdkModule(specifier, index, resolve)
    const found = file === undefined ? undefined : await declarationOf(own, file, resolve)
    if (found !== undefined) return found
  }
  const declared = new RegExp(
    `^export (?:async )?(?:const|let|var|class|function\\*?) ${name.replaceAll('$', '\\$')}\\b`,
    'm',
  )
  return declared.test(text) ? { file: index, name } : undefined
}

/**
 * Code of packages goes in without its comments, and without source maps, which would be larger
 * than the code.
 */
const patched = (file) =>
  [withoutChildProcess, withoutEarlyEmoji, withoutPerformance].reduce(
    (text, patch) => patch(file, text),
    readFileSync(file, 'utf8'),
  )
/** esbuild escapes the characters of strings, but not those of regular expressions. */
const asciiOnly = (code) =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
const compactPackages = {
  name: 'compact-packages',
  setup({ onLoad, resolve }) {
    onLoad({ filter: /[/\\]node_modules[/\\].*\.[cm]?js$/ }, async ({ path: file }) => {
      const { code } = await transform(await importedDirectly(file, patched(file), resolve), {
        minifyWhitespace: true,
        legalComments: 'none',
      })
      return { contents: `${asciiOnly(code)}\n${EMPTY_MAP}`, loader: 'js' }
    })
  },
}
const EMPTY_MAP = `${INLINE_MAP}application/json;base64,${btoa('{"version":3,"sources":[],"names":[],"mappings":""}')}`

/**
 * Without indentation and comments, a quarter of the code. Names stay, for stack traces, and so do
 * lines, for positions in them that a person can find.
 */
const compact = { minifyWhitespace: true, lineLimit: 120 }

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  // yaml's ES modules: esbuild leaves unused ones out, which it cannot do with yaml's CommonJS files.
  alias: { yaml: path.join(root, 'node_modules/yaml/browser/dist/index.js') },
  target: 'node20.19',
  legalComments: 'none',
  ...compact,
  // Line numbers and names are what a stack trace needs.
  sourcesContent: false,
  metafile: true,
  define: { LITESTREAM_TS_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
}

/**
 * Bundles `entries` of src as ES modules. `core`: the first module of oneCore, by default the first
 * entry. `alone`: an entry that imports nothing but what its source imports. `commonest`: modules
 * of which what they share with others comes into few files, that of the first one into the core.
 */
async function modules(entries, { plugins = [], core = entries[0], alone, commonest = [], ...options }) {
  const esm = {
    ...common,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outbase: 'src',
    outdir: 'dist',
    splitting: true,
    format: 'esm',
    ...options,
  }
  // Once to learn which modules are imported late: those have files of their own, as the entries
  // have.
  const all = [...plugins, compactPackages]
  const { metafile } = await build({ ...esm, plugins: all, write: false })
  const first = `src/${core}.ts`
  const late = Object.values(metafile.outputs)
    .flatMap(({ entryPoint }) => entryPoint ?? [])
    .filter((file) => file !== first && file !== `src/${alone}.ts` && metafile.inputs[file].format === 'esm')
  const joined = joinedShared(first, late, commonest, metafile)
  return build({ ...esm, plugins: [oneCore(first, new Set(late), joined), ...all] })
}

/** An ES module of a bundle as a CommonJS module, with its source map. */
async function asCommonJs(file, text) {
  const { code, map } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: common.target,
    supported: { 'dynamic-import': false },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__url' },
    banner: `'use strict';const __url=require('node:url').pathToFileURL(__filename).href;`,
    sourcefile: path.basename(file),
    sourcemap: text.includes(INLINE_MAP) ? 'external' : false,
    ...compact,
  })
  // V8 keeps two bytes per character of a source with a character beyond Latin-1, also in a
  // comment.
  const ascii = asciiOnly(
    code.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\0-\x7f]/gu, '?')),
  )
    // The name of another file stands before each use of its exports, a tenth of the code.
    .replace(/\bimport_\w*_chunk_([A-Z0-9]{8})\b/g, '_$1')
  return { code: map ? `${ascii}//# sourceMappingURL=${path.basename(file)}.map\n` : ascii, map }
}

/**
 * The core of a bundle, if its entry only exports from it. Opening one more file takes longer than
 * checking that the core has the same names.
 */
function coreOf(entry, outputs) {
  const [stub, { inputs, imports, exports }] = Object.entries(outputs).find(
    ([, one]) => one.entryPoint === `src/${entry}.ts`,
  )
  if (Object.values(inputs).some(({ bytesInOutput }) => bytesInOutput > 0)) return undefined
  const core = imports.find(({ path: file }) => outputs[file]?.exports)?.path
  const lacks = exports.filter((name) => !outputs[core]?.exports.includes(name))
  if (lacks.length > 0) throw new Error(`bundle: ${core} exports ${lacks.join(', ')} under other names`)
  return { stub: path.join(root, stub), core: path.join(root, core) }
}

/**
 * Bundles one module of src as CommonJS, with further files for the modules that it imports on
 * demand. Returns the inputs of each file.
 */
async function commonJs(entry, options) {
  const { metafile, outputFiles } = await modules([entry], {
    chunkNames: `${entry}-[name]-[hash]`,
    outExtension: { '.js': '.cjs' },
    write: false,
    ...options,
  })
  const joined = coreOf(entry, metafile.outputs)
  for (const { path: output, text } of outputFiles) {
    if (output === joined?.stub) continue
    const file = output === joined?.core ? joined.stub : output
    const names = joined && [path.basename(joined.core), path.basename(joined.stub)]
    const made = await asCommonJs(file, names ? text.replaceAll(`./${names[0]}`, `./${names[1]}`) : text)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, made.code)
    if (made.map) writeFileSync(`${file}.map`, made.map)
  }
  return metafile.outputs
}

/**
 * Gives the CommonJS module of a program the name of its source, under which users know the program.
 * The folder's package.json tells Node.js the format.
 */
function keepName(entry) {
  const file = path.join(dist, entry)
  renameSync(`${file}.cjs`, `${file}.js`)
  chmodSync(`${file}.js`, 0o755)
  writeFileSync(path.join(path.dirname(file), 'package.json'), '{ "type": "commonjs" }\n')
}

/** Writes an ES module with the exports of a CommonJS entry. */
function importable(entry, outputs) {
  const { exports } = Object.values(outputs).find((one) => one.entryPoint === `src/${entry}.ts`)
  const text = `import code from './${path.basename(entry)}.cjs'\n\nexport const { ${exports.join(', ')} } = code\n`
  writeFileSync(path.join(dist, `${entry}.js`), text)
}

/** Code that finds other files by its own place must be at the root of dist. */
function requireAtRoot(outputs) {
  for (const [file, { inputs, imports }] of Object.entries(outputs)) {
    if (path.dirname(file) === 'dist' || file.endsWith('.map')) continue
    const why =
      'src/thread-url.ts' in inputs
        ? 'src/thread-url.ts'
        : imports.find((one) => [`./${AWS}.js`, `./${NATS}.js`].includes(one.path))?.path
    if (why) throw new Error(`bundle: ${why} has come into ${file}; it must be in a chunk`)
  }
}

/**
 * Gives `require` to the file of a bundle through which CommonJS packages call it; on the first
 * line, so that source maps stay true.
 */
function provideRequire(outputs) {
  for (const name of Object.keys(outputs).filter((file) => file.endsWith('.js'))) {
    const file = path.join(root, name)
    const text = readFileSync(file, 'utf8')
    if (/\bvar __require\s*=/.test(text)) writeFileSync(file, text.replace(/^(#!.*\n)?/, `$1${REQUIRE}`))
  }
}

/**
 * Lists the addons and the files of the threads in `tracedFiles` of src/traced-files.ts, which is at
 * the root of dist. webpack is told to ignore them: it would copy them beside its bundle.
 */
function listTracedFiles() {
  const threads = readdirSync(dist, { recursive: true })
    .filter((file) => file.endsWith('.cjs') && !file.startsWith('cli-'))
    .map((file) => `./${file.replaceAll(path.sep, '/')}`)
    .sort()
  const names = ['../package.json', ...TARGETS.map(({ name }) => `../prebuilds/${name}.node`), ...threads]
  const urls = names.map((file) => `new URL(/* webpackIgnore: true */ ${JSON.stringify(file)}, import.meta.url),`)
  const begin = /function tracedFiles\(\)\s*\{\s*return\s*\[/
  const files = readdirSync(dist).filter((file) => file.endsWith('.js'))
  const holders = files.filter((file) => begin.test(readFileSync(path.join(dist, file), 'utf8')))
  if (holders.length === 0) throw new Error('bundle: no file has the function tracedFiles')
  for (const file of holders) {
    const text = readFileSync(path.join(dist, file), 'utf8')
    writeFileSync(
      path.join(dist, file),
      text.replace(begin, (found) => found + urls.join('')),
    )
  }
}

mkdirSync(dist, { recursive: true })
for (const file of readdirSync(dist, { recursive: true })) {
  if (/\.c?js(\.map)?$/.test(file)) rmSync(path.join(dist, file))
}
const ours = await modules(ENTRIES, {
  chunkNames: '[name]-[hash]',
  plugins: [librariesOutside('./', '.js')],
  sourcemap: 'linked',
})
// A command loads what it needs and no more; a short one spends most of its time on that.
const program = await commonJs(PROGRAM, {
  core: 'cli/program',
  // It enables the compile cache, which applies to later imports only.
  alone: PROGRAM,
  commonest: COMMON_OF_COMMANDS,
  chunkNames: 'cli-[name]-[hash]',
  plugins: [librariesOutside('./', '.cjs')],
  sourcemap: 'inline',
})
keepName(PROGRAM)
const outputs = { ...ours.metafile.outputs, ...program }
requireAtRoot(outputs)
provideRequire(ours.metafile.outputs)
const threads = []
for (const entry of THREADS) {
  const up = '../'.repeat(entry.split('/').length - 1)
  threads.push(
    await commonJs(entry, { plugins: [librariesOutside(up, '.cjs')], sourcemap: 'inline', commonest: COMMON }),
  )
}
const aws = await commonJs(AWS, {
  plugins: [describedOnDemand],
  mainFields: ['module', 'main'],
  minifySyntax: true,
  // Disables the SDK's warning about the Node.js version that its later releases require: users
  // of this package cannot act on that warning.
  define: { ...common.define, 'process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED': '"true"' },
})
importable(AWS, aws)
const nats = await commonJs(NATS, {})
importable(NATS, nats)
const page = await bundlePage()
listTracedFiles()
writeFileSync(
  path.join(dist, 'THIRD_PARTY_LICENSES.txt'),
  notices(packagesOf(Object.assign({}, outputs, ...threads, aws, nats, page))),
)
