// The licences of the packages whose code is in a bundle.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const modules = path.join(root, 'node_modules')

const describe = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))

/** The packages behind the inputs of a bundle of esbuild: their folders, relative to the repository. */
export function packagesOf(outputs) {
  const folders = new Set()
  for (const { inputs } of Object.values(outputs)) {
    for (const input of Object.keys(inputs)) {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)
      if (match) folders.add(match[1])
    }
  }
  return [...folders].sort()
}

/** Names, versions and licences of packages, each text once. Throws for a package without a text. */
export function notices(folders) {
  const texts = new Map()
  for (const folder of folders) {
    const own = describe(path.join(root, folder))
    const { name, version, license } = own
    const text = textOf(path.join(root, folder)) || textOfRepository(own) || textOfMit(own)
    if (!text) throw new Error(`licences: ${name} has no licence text, nor has another package of its repository`)
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`])
  }
  const rule = '-'.repeat(80)
  const parts = [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text}`)
  return `Code of these packages is in the files beside this one.\n\n${parts.map((part) => `${rule}\n${part}\n`).join('\n')}`
}

function textOf(folder) {
  return readdirSync(folder)
    .filter((file) => /^(licen[cs]e|notice)/i.test(file))
    .map((file) => readFileSync(path.join(folder, file), 'utf8').trim())
    .join('\n\n')
}

const repositoryOf = ({ repository }) => repository?.url ?? repository

/**
 * The licence text of another package of the same repository that has the same licence. Some
 * repositories publish packages without the text.
 */
function textOfRepository(own) {
  if (repositoryOf(own) === undefined) return undefined
  return allPackages()
    .filter((folder) => {
      const other = describe(folder)
      return other.license === own.license && repositoryOf(other) === repositoryOf(own)
    })
    .map(textOf)
    .find((text) => text !== '')
}

/** The MIT licence with the author of a package that has this licence and contains no text of it. */
function textOfMit({ license, author }) {
  if (license !== 'MIT' || author === undefined) return undefined
  const beginning = 'Permission is hereby granted'
  const text = allPackages()
    .filter((folder) => describe(folder).license === 'MIT')
    .map(textOf)
    .find((each) => each.includes(beginning))
  return `Copyright (c) ${author.name ?? author}\n\n${text.slice(text.indexOf(beginning))}`
}

function allPackages() {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(path.join(modules, name)).map((one) => `${name}/${one}`) : name,
    )
    .sort()
    .map((name) => path.join(modules, name))
    .filter((folder) => existsSync(path.join(folder, 'package.json')))
}
