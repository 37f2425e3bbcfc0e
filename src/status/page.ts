import { script } from './script.js'
import { style } from './style.js'

/** The status page: one document that loads only /status.json from its own server. */
export function statusPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>litestream-ts</title>
<style>${style}</style>
</head>
<body>
<header><h1>litestream-ts</h1><p id="process"></p><p id="contact" role="status"></p></header>
<main id="databases"><p>Loading…</p></main>
<noscript>This page needs JavaScript; <a href="/status.json">/status.json</a> has the same figures.</noscript>
<script>${script}</script>
</body>
</html>
`
}
