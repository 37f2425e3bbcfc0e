import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext } from 'node:test'
import { azureEndpoint, azureMissing, azureUrl, newContainer } from './azure.js'
import { gcsEndpoint, gcsMissing, newBucket } from './gcs.js'
import { loopbackS3 } from './loopback-s3.js'
import { natsServerUrl } from './nats.js'
import { s3Bucket, s3Server, s3Url } from './s3.js'
import { type ApacheServer, startApache } from './servers/apache.js'
import { type SshServer, startSshd } from './servers/sshd.js'
import { wholeSftpUrl } from './sftp.js'
import { temporaryDirectory } from './temporary-directory.js'
import { webdavUrl } from './webdav.js'

/** An empty location in a store, used only by the test. */
export interface Place {
  /** The replica URL of a path; `port`: through a gate of that port. */
  url(at: string, port?: number): string
  /** The server's port on 127.0.0.1; undefined for a folder. */
  readonly port: number | undefined
  /** Variables of the environment that clients need; `port` as for `url`. */
  env(port?: number): Readonly<Record<string, string>>
  /** The folder of the files, if the test can look at them. */
  readonly folder?: string
}

export interface AnyStore {
  readonly name: string
  /** The reason why the store is not available on this machine, or undefined if it is available. */
  readonly missing?: string | undefined
  /** Whether the store enforces conditional writes, so that leases work. */
  readonly strong: boolean
  /** Whether its server runs in this process, which must not wait for it synchronously. */
  readonly inProcess?: boolean
  place(t: TestContext): Promise<Place>
}

const noEnv = () => ({})
const through = (url: string, from: number, to: number | undefined) =>
  to === undefined ? url : url.replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`).replaceAll(`%3A${from}`, `%3A${to}`)
const portOf = (url: string) => Number(new URL(url).port)

let apache: Promise<ApacheServer> | undefined
let sshd: Promise<SshServer> | undefined
after(async () => {
  await (await apache)?.stop()
  await (await sshd)?.stop()
})

/** Every kind of store, each on its server of this run; the servers start when they are needed. */
export const EVERY_STORE: readonly AnyStore[] = [
  {
    name: 'file',
    strong: true,
    place: async (t) => {
      const folder = path.join(temporaryDirectory(t), 'replicas')
      mkdirSync(folder)
      return { url: (at) => `file://${folder}/${at}`, port: undefined, env: noEnv, folder }
    },
  },
  {
    name: 's3',
    strong: true,
    place: async (t) => {
      const bucket = await s3Bucket(t)
      const port = portOf(s3Server().endpoint)
      return { url: (at, to) => through(s3Url(bucket, at), port, to), port, env: noEnv }
    },
  },
  {
    name: 'nats',
    strong: true,
    place: async () => {
      const bucket = `test-${randomUUID()}`
      const server = natsServerUrl()
      const port = Number(/:(\d+)$/.exec(server)![1])
      return { url: (at, to) => through(`${server}/${bucket}/${at}?createBucket=true`, port, to), port, env: noEnv }
    },
  },
  {
    name: 'gs',
    missing: gcsMissing,
    strong: true,
    place: async () => {
      const bucket = await newBucket()
      const port = portOf(gcsEndpoint())
      return {
        url: (at) => `gs://${bucket}/${at}`,
        port,
        env: (to) => ({ STORAGE_EMULATOR_HOST: through(gcsEndpoint(), port, to) }),
      }
    },
  },
  {
    name: 'abs',
    missing: azureMissing,
    strong: true,
    place: async (t) => {
      const container = await newContainer(t)
      const port = portOf(azureEndpoint())
      return { url: (at, to) => through(azureUrl(container, at), port, to), port, env: noEnv }
    },
  },
  {
    name: 'sftp',
    strong: true,
    place: async () => {
      sshd ??= startSshd()
      const server = await sshd
      const folder = path.join(server.directory, randomUUID())
      const url = (at: string, to?: number) => through(wholeSftpUrl(server, path.join(folder, at)), server.port, to)
      return { url, port: server.port, env: noEnv, folder }
    },
  },
  {
    name: 'webdav',
    strong: false,
    place: async () => {
      apache ??= startApache()
      const server = await apache
      const id = randomUUID()
      const url = (at: string, to?: number) => through(webdavUrl(server, `${id}/${at}`, 'basic'), server.port, to)
      return { url, port: server.port, env: noEnv, folder: path.join(server.data, id) }
    },
  },
  {
    name: 's3 without conditions',
    strong: false,
    inProcess: true,
    place: async (t) => {
      const store = await loopbackS3(t)
      // As Backblaze B2 refuses them.
      store.behave(({ kind, headers }, response) => {
        if (kind !== 'PUT' || !('if-none-match' in headers || 'if-match' in headers)) return false
        response.writeHead(501, { 'content-type': 'application/xml' })
        response.end('<Error><Code>NotImplemented</Code><Message>a header is not implemented</Message></Error>')
        return true
      })
      const port = portOf(store.endpoint)
      // The store of the test knows no multipart uploads.
      const url = (at: string, to?: number) => through(`${store.url(at)}&partSize=16MiB`, port, to)
      return { url, port, env: noEnv }
    },
  },
]

/** Has this process use `env` until the test ends. */
export function useEnv(t: TestContext, env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    const before = process.env[name]
    process.env[name] = value
    t.after(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}
