/** What an S3 request does. */
export type RequestKind =
  | 'LIST'
  | 'GET'
  | 'HEAD'
  | 'PUT'
  | 'DELETE' // of one object
  | 'DELETE_MANY'
  | 'MULTIPART_CREATE'
  | 'MULTIPART_PART'
  | 'MULTIPART_COMPLETE'
  | 'MULTIPART_ABORT'
  | 'OTHER'

/** For path-style requests, `/bucket/key?query`. */
export function kindOf(method: string, url: string): RequestKind {
  const { pathname, searchParams } = new URL(url, 'http://x')
  const hasKey = pathname.split('/').filter((part) => part !== '').length > 1
  if (searchParams.has('uploads')) return method === 'POST' ? 'MULTIPART_CREATE' : 'OTHER'
  if (searchParams.has('uploadId')) {
    if (method === 'PUT') return 'MULTIPART_PART'
    if (method === 'POST') return 'MULTIPART_COMPLETE'
    return method === 'DELETE' ? 'MULTIPART_ABORT' : 'OTHER'
  }
  if (method === 'POST' && searchParams.has('delete')) return 'DELETE_MANY'
  if (method === 'GET' && searchParams.has('list-type')) return 'LIST'
  if (hasKey && (method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE')) return method
  return 'OTHER'
}
