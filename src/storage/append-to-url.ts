import path from 'node:path'
import { escapeDelimiters } from './file/location.js'

/** Appends a relative path to `url`. The query of the URL stays unchanged. */
export function appendToUrl(url: string, relative: string): string {
  const query = url.indexOf('?')
  const base = query < 0 ? url : url.slice(0, query)
  const written = /^file:/i.test(url) ? escapeDelimiters : encodeURIComponent
  const suffix = relative.split(path.sep).map(written).join('/')
  return `${base.replace(/\/+$/, '')}/${suffix}${query < 0 ? '' : url.slice(query)}`
}
