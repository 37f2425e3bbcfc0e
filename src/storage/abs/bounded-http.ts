import type { Readable } from 'node:stream'
import type { IHttpClient } from '@azure/storage-blob'
import { boundedText } from '../bounded-text.js'
import { loadAzureHttp } from './azure-library.js'

/**
 * Maximum size in bytes of a response that is not the content of a blob. A page of a listing has
 * about 5 MB.
 */
const MAX_REPLY = 16 * 2 ** 20

/**
 * With the set of statuses ALL, the Azure library returns the body of every response as a stream.
 */
const ALL: ReadonlySet<number> = new Set([Number.POSITIVE_INFINITY])

/**
 * Returns an HTTP client for Azure's libraries. Unlike the HTTP client of Azure's libraries, this
 * HTTP client limits the size of a response that is read into memory. The HTTP client also reports
 * a redirection as an error instead of following the redirection.
 */
export function boundedHttpClient(): IHttpClient {
  const { createDefaultHttpClient, createPipelineRequest, createHttpHeaders } = loadAzureHttp()
  const client = createDefaultHttpClient()
  return {
    sendRequest: async (request) => {
      const { url, method, body, timeout, requestId, abortSignal, agent, proxySettings } = request
      const { streamResponseStatusCodes: streamed, onUploadProgress, onDownloadProgress } = request
      const sent = createPipelineRequest({
        ...{ url, method, body, timeout, requestId, abortSignal, proxySettings },
        ...{ onUploadProgress, onDownloadProgress },
        headers: createHttpHeaders(request.headers.toJson({ preserveCase: true })),
        // Allows http, because the scheme of the URL decides whether the connection uses TLS.
        allowInsecureConnection: true,
        streamResponseStatusCodes: ALL,
      })
      // Sets the proxy's agent after the call of createPipelineRequest, because the options of
      // createPipelineRequest have no field for an agent.
      if (agent !== undefined) sent.agent = agent
      const { status, headers, readableStreamBody } = await client.sendRequest(sent)
      const fields = request.headers.clone()
      for (const name of fields.headerNames()) fields.remove(name)
      for (const [name, value] of Object.entries(headers.toJSON({ preserveCase: true }))) fields.set(name, value)
      if (status >= 300 && status < 400) fields.remove('location')
      const isStreamed = streamed?.has(Number.POSITIVE_INFINITY) || streamed?.has(status)
      const reply = { request, status, headers: fields }
      if (isStreamed || readableStreamBody === undefined) return { ...reply, readableStreamBody }
      return { ...reply, bodyAsText: await boundedText(readableStreamBody as Readable, MAX_REPLY) }
    },
  }
}
