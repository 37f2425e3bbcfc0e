import type { Operation, ReplicaClient, RequestOptions } from './replica-client.js'

/** The functions that a wrapper runs around each operation of a client. */
export interface ClientHooks {
  /**
   * Called around each operation that has a single result. `bytes` returns the size of the result
   * for the counters. `bytes` returns 0 if the counters must not include the result.
   */
  request<O extends RequestOptions, T>(
    operation: Operation,
    options: O | undefined,
    act: (options: O | undefined) => Promise<T>,
    bytes: (result: T) => number,
  ): Promise<T>
  /**
   * Called around each listing and each streamed body. `bytes` returns the size of one item of the
   * listing or body.
   */
  stream<O extends RequestOptions, T>(
    operation: Operation,
    options: O | undefined,
    act: (options: O | undefined) => AsyncIterable<T>,
    bytes: (item: T) => number,
  ): AsyncIterable<T>
}

const none = () => 0
const length = ({ byteLength }: { readonly byteLength: number }) => byteLength

/**
 * Returns a client that calls `hooks` around every operation. The returned client has the same
 * optional methods as `client`.
 */
export function wrapClient(client: ReplicaClient, { request, stream }: ClientHooks): ReplicaClient {
  const { watch, listUpwards, legacy, guarantees, replicas, writeOnce } = client
  return {
    type: client.type,
    url: client.url,
    ...(guarantees ? { guarantees } : {}),
    ...(writeOnce ? { writeOnce } : {}),
    list: (level, options) => stream('LIST', options, (own) => client.list(level, own), none),
    ...(listUpwards
      ? {
          listUpwards: (level, options) => stream('LIST', options, (own) => listUpwards.call(client, level, own), none),
        }
      : {}),
    read: (file, range, options) =>
      request(
        'GET',
        options,
        (own) => client.read(file, range, own),
        ({ data }) => data.byteLength,
      ),
    stream: (file, options) => stream('GET', options, (own) => client.stream(file, own), length),
    write: (file, body, options) =>
      request(
        'PUT',
        options,
        (own) => client.write(file, body, own ?? options),
        ({ size }) => size,
      ),
    delete: (files, options) => request('DELETE', options, (own) => client.delete(files, own), none),
    stat: (file, options) => request('HEAD', options, (own) => client.stat(file, own), none),
    // No hook runs around a watch, because the watch continues after its promise has settled. A
    // watch ends when its signal aborts or the client is closed.
    ...(watch ? { watch: (onChange, options) => watch.call(client, onChange, options) } : {}),
    ...(legacy
      ? {
          legacy: {
            list: (prefix, options) => stream('LIST', options, (own) => legacy.list(prefix, own), none),
            stream: (name, options) => stream('GET', options, (own) => legacy.stream(name, own), length),
          },
        }
      : {}),
    ...(replicas ? { replicas: (options) => stream('LIST', options, (own) => replicas.call(client, own), none) } : {}),
    getObject: (name, options) => request('GET', options, (own) => client.getObject(name, own), none),
    putObject: (name, data, ifTag, options) =>
      request('PUT', options, (own) => client.putObject(name, data, ifTag, own), none),
    deleteObject: (name, ifTag, options) =>
      request('DELETE', options, (own) => client.deleteObject(name, ifTag, own), none),
    stats: () => client.stats(),
    close: (waiting) => client.close(waiting),
  }
}
