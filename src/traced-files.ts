/**
 * Returns the files whose paths are computed at run time. Some tools (`@vercel/nft`, and Next.js
 * with webpack or Turbopack) trace the files of an application. Such tracing tools find only files
 * whose names are literals in a URL. scripts/bundle.mjs writes these literals into this function.
 * tracedFiles() is never called, and its module is never loaded.
 */
export function tracedFiles(): URL[] {
  return []
}
