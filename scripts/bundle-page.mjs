// Bundles the code and the style of the status page (src/status/browser) with uPlot into
// dist/status/page.js and page.css, which the status server puts into one document. Called by
// bundle.mjs and before the tests that serve the page.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const root = path.dirname(import.meta.dirname)

/** Returns the inputs of each file, as esbuild's metafile has them. */
export async function bundlePage() {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { page: 'src/status/browser/main.ts', 'page-style': 'src/status/browser/style.css' },
    outdir: 'dist/status',
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    charset: 'ascii',
    legalComments: 'none',
    metafile: true,
    write: false,
    logLevel: 'warning',
  })
  for (const { path: file, text } of outputFiles) {
    // Both become parts of an HTML document.
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`bundle: ${file} would end its element`)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return metafile.outputs
}

if (process.argv[1] === import.meta.filename) await bundlePage()
