import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../package-files.js'

/** The status page with its policy for the browser. */
export interface StatusPage {
  readonly html: string
  /** The value of Content-Security-Policy. */
  readonly policy: string
}

let page: StatusPage | undefined

/**
 * The status page: one document that loads only /status.json from its own server. The browser runs
 * and applies exactly the code and the style in it, by their hashes. Throws NATIVE_MISSING if the
 * files of the package are not found.
 */
export function statusPage(): StatusPage {
  page ??= makePage()
  return page
}

function makePage(): StatusPage {
  const folder = path.join(packageRoot(), 'dist/status')
  // Made by scripts/bundle-page.mjs from src/status/browser.
  const script = readFileSync(path.join(folder, 'page.js'), 'utf8')
  const style = readFileSync(path.join(folder, 'page-style.css'), 'utf8')
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>litestream-ts</title>
<style>${style}</style>
</head>
<body>
<div id="page"><p>Loading…</p></div>
<noscript>This page needs JavaScript; <a href="/status.json">/status.json</a> has the same figures.</noscript>
<script>${script}</script>
</body>
</html>
`
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return { html, policy }
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
