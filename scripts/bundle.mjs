// Makes the JavaScript of dist/ (tsc makes its types): few files instead of hundreds, because what a process waits for when it opens
// its first replica is mostly the loading of modules. Names are kept, so that stack traces can be read without the source maps.
//
// Three bundles, each with chunks of its own for what is imported only when it is needed:
// - the entry points of package.json, together, so that a class is the same one through each of them, and most threads' modules;
// - the replica worker's module alone, so that it is one file: threads share no classes, and it is what an opening waits for;
// - what src/storage/s3/aws.ts needs of the AWS SDK, loaded only for S3.
//
// Packages stay outside, except those in BUNDLED: they are development dependencies, and their licences are gathered in
// dist/THIRD_PARTY_LICENSES.txt.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const root = path.dirname(import.meta.dirname)
const dist = path.join(root, 'dist')
const AWS = 'storage/s3/aws.js'
/** Packages whose code is shipped in ours. */
const BUNDLED = ['@aws-sdk/client-s3', 'lru-cache', 'p-queue', 'p-retry']
const ENTRIES = [
  'index',
  'primary/index',
  'status/index',
  'cli/main',
  'primary/primary-worker',
  'replica/read-ahead/prefetch-thread',
  'restore/integrity-worker',
]
const WORKER = 'replica/worker'

const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
for (const name of BUNDLED) if (name in dependencies) throw new Error(`bundle: ${name} is bundled, yet a dependency`)

/** The SDK is a bundle of its own; chunks are at the root of dist, from where it is imported. */
const awsOutside = {
  name: 'aws-outside',
  setup({ onResolve }) {
    onResolve({ filter: /\/aws\.js$/ }, () => ({ path: `./${AWS}`, external: true }))
  },
}

/**
 * Code that several files of a bundle need goes into chunks, one for each set of files that need it, which makes many of them. Where
 * every file of a bundle imports the first one, all that the first one needs comes into one chunk.
 */
function oneCore(core, files) {
  return {
    name: 'one-core',
    setup({ onLoad }) {
      onLoad({ filter: /\.[mc]?[jt]s$/ }, ({ path: file }) => {
        if (!files.has(file)) return undefined
        // On the last line, so that source maps stay true; imports are evaluated first wherever they stand.
        const contents = `${readFileSync(file, 'utf8')}\nimport ${JSON.stringify(core)}`
        return { contents, loader: file.endsWith('ts') ? 'ts' : 'js' }
      })
    },
  }
}

/** Bundles `entries` of src with chunks named after `chunks`; returns what went into each file. */
async function bundle(entries, chunks, { plugins = [], ...options }) {
  const common = {
    absWorkingDir: root,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outbase: 'src',
    outdir: 'dist',
    chunkNames: chunks,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.11',
    legalComments: 'none',
    metafile: true,
    external: Object.keys(dependencies),
    logLevel: 'warning',
    ...options,
  }
  // Once to learn which modules are imported late: those have files of their own, as the entries have.
  const { inputs, outputs } = (await build({ ...common, plugins, write: false })).metafile
  const first = `src/${entries[0]}.ts`
  const late = Object.values(outputs)
    .flatMap(({ entryPoint }) => entryPoint ?? [])
    .filter((file) => file !== first && inputs[file].format === 'esm')
  const files = new Set(late.map((file) => path.join(root, file)))
  const made = await build({ ...common, plugins: [...plugins, oneCore(path.join(root, first), files)] })
  return made.metafile.outputs
}

/** Code that finds other files by its own place must be at the root of dist. */
function requireAtRoot(outputs) {
  for (const [file, { inputs, imports }] of Object.entries(outputs)) {
    if (path.dirname(file) === 'dist' || file.endsWith('.map')) continue
    const why =
      'src/thread-url.ts' in inputs ? 'src/thread-url.ts' : imports.find((one) => one.path === `./${AWS}`)?.path
    if (why) throw new Error(`bundle: ${why} has come into ${file}; it must be in a chunk`)
  }
}

/** The packages behind the inputs of a bundle: their folders. */
function packagesOf(outputs) {
  const folders = new Set()
  for (const { inputs } of Object.values(outputs)) {
    for (const input of Object.keys(inputs)) {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)
      if (match) folders.add(match[1])
    }
  }
  return [...folders].sort()
}

/** Names, versions and licences of packages, each text once. */
function notices(folders) {
  const texts = new Map()
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
    const files = readdirSync(path.join(root, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    if (files.length === 0 && !license) throw new Error(`bundle: ${name} has no licence`)
    const text = files.map((file) => readFileSync(path.join(root, folder, file), 'utf8').trim()).join('\n\n')
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`])
  }
  const rule = '-'.repeat(80)
  const parts = [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text}`)
  return `Code of these packages is in the files beside this one.\n\n${parts.map((part) => `${rule}\n${part}\n`).join('\n')}`
}

mkdirSync(dist, { recursive: true })
for (const file of readdirSync(dist, { recursive: true })) {
  if (/\.js(\.map)?$/.test(file)) rmSync(path.join(dist, file))
}
const ours = { plugins: [awsOutside], sourcemap: 'linked' }
const outputs = [await bundle(ENTRIES, '[name]-[hash]', ours), await bundle([WORKER], 'worker-[name]-[hash]', ours)]
for (const each of outputs) requireAtRoot(each)
const aws = await bundle([AWS.replace(/\.js$/, '')], 'storage/s3/aws-[name]-[hash]', {
  mainFields: ['module', 'main'],
  minifyWhitespace: true,
  minifySyntax: true,
  // Some of what the SDK needs is CommonJS and asks for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
})
writeFileSync(path.join(dist, 'THIRD_PARTY_LICENSES.txt'), notices(packagesOf(Object.assign({}, ...outputs, aws))))
