import { type Download, download as downloadObject, type FoundCheck, type ObjectReply } from '../http-download.js'
import { rangeHeader } from '../http-range.js'
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import { unconfirmed } from '../unconfirmed.js'
import type { Reply, Subject, WebdavRequests } from './requests.js'

/**
 * Downloads a range of a file. The version of the file is its entity tag, or undefined if the
 * server sends no entity tag.
 */
export function download(requests: WebdavRequests, subject: Subject, range: ByteRange, check?: FoundCheck): Download {
  const { policy, closing, counters } = requests
  const { doing, operation, signal } = subject
  const target = requests.target(subject.path)
  return downloadObject(range, {
    doing,
    target,
    operation,
    signal,
    policy,
    closing,
    counters,
    check,
    versioned: false,
    toError: (error) => requests.typed(error, subject),
    // Some servers ignore If-Match, so download() compares the versions of the responses instead.
    get: async (asked) => {
      const headers = { range: rangeHeader(asked) }
      const reply = await requests.open(subject, { method: 'GET', headers, accept: [200, 206, 416] })
      try {
        if (reply.status === 416) throw rangeError(range, sizeOf416(reply), target)
        refuseForeign(reply, `${doing} ${target}`, target)
        return objectReply(reply)
      } catch (error) {
        reply.body.destroy()
        throw error
      }
    },
  })
}

function objectReply({ status, headers, body }: Reply): ObjectReply {
  const modifiedAt = Date.parse(headers['last-modified'] ?? '')
  return {
    body,
    version: headers.etag,
    modifiedAt: Number.isNaN(modifiedAt) ? undefined : modifiedAt,
    contentRange: status === 206 ? (headers['content-range'] ?? '') : undefined,
    contentLength: headers['content-length'] === undefined ? undefined : Number(headers['content-length']),
  }
}

function sizeOf416({ headers }: Reply): number | undefined {
  const size = /^bytes \*\/(\d{1,16})$/.exec(headers['content-range'] ?? '')?.[1]
  return size === undefined ? undefined : Number(size)
}

/**
 * Throws for a login page and for a body that a proxy has compressed. Neither a login page nor a
 * compressed body is the content of a file.
 */
function refuseForeign({ headers }: Reply, what: string, target: string): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw unconfirmed(what, `the reply has the content encoding "${encoding.slice(0, 40)}"`, target)
  }
  if (/^(text\/html|application\/xhtml)/i.test(headers['content-type'] ?? '') && headers.etag === undefined) {
    throw unconfirmed(what, 'the reply is an HTML page', target)
  }
}
