import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../package-files.js'

/** The HTML of the status page, and the Content-Security-Policy of this page. */
export interface StatusPage {
  readonly html: string
  /** The value of the header Content-Security-Policy. */
  readonly policy: string
}

let page: StatusPage | undefined

/**
 * Returns the status page as one HTML document. The document loads only /status.json from its own
 * server. The Content-Security-Policy contains the hashes of the page's code and style. The browser
 * accepts no other code or style. Throws NATIVE_MISSING if the files of the package are missing.
 */
export function statusPage(): StatusPage {
  page ??= makePage()
  return page
}

function makePage(): StatusPage {
  const folder = path.join(packageRoot(), 'dist/status')
  // scripts/bundle-page.mjs creates page.js and page-style.css from src/status/browser.
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
