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
    const { name, version, license } = describe(path.join(root, folder))
    const text = textOf(path.join(root, folder)) || textOfRepository(describe(path.join(root, folder)))
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

/** Some repositories publish packages without the file: the text of another one with the same licence. */
function textOfRepository({ license, ...own }) {
  for (const folder of allPackages()) {
    const other = describe(folder)
    if (other.license !== license || repositoryOf(other) !== repositoryOf(own)) continue
    const text = textOf(folder)
    if (text !== '') return text
  }
  return undefined
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
