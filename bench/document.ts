// npm run bench:docs: writes docs/performance.md from bench/performance.template.md and
// bench/results/*.json.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../src/package-files.js'
import { renderDocument } from './support/document.js'

const template = readFileSync(path.join(packageRoot(), 'bench/performance.template.md'), 'utf8')
writeFileSync(path.join(packageRoot(), 'docs/performance.md'), renderDocument(template))
