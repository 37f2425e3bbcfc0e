import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { until } from '../until.js'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { ServerProcess } from './server-process.js'

const exec = promisify(execFile)

export interface RgwServer {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Kills the gateway in the middle of its work, and keeps the data. */
  killGateway(): Promise<void>
  /** Starts the gateway again on the same port. */
  startGateway(): Promise<void>
  /** Ends all processes of the cluster and removes the data. */
  stop(): Promise<void>
}

const ACCESS_KEY_ID = 'test'
const SECRET_ACCESS_KEY = 'testsecret'

/** The id of the key that SSE-KMS tests name; the gateway's built-in testing key store holds it. */
export const RGW_KMS_KEY = 'test-key'

function config(directory: string, fsid: string, monPort: number, port: number): string {
  return `
[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${monPort}
ms bind ipv4 = true
ms bind msgr2 = false
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
keyring = ${directory}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon osd min in ratio = 0
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
# The monitor gathers changes for a second before it proposes them; each of the pools made at the start would wait for it.
paxos propose interval = 0.02
paxos min wait = 0.01
osd max object name len = 1024
# Otherwise the OSD speaks to the monitor before it knows the cluster's id, and now and then ends with "wrong fsid".
osd class update on start = false
osd crush update on start = false
run dir = ${directory}
admin socket = ${directory}/$name.asok
log file = ${directory}/$name.log
log to stderr = false
[mon]
mon data = ${directory}/mon
[osd]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
# Without tcp_nodelay every small reply waits 40 ms for a delayed acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw dns name =
rgw print continue = true
rgw thread pool size = 64
rgw enable usage log = false
# What was deleted takes up memory until it is collected, once an hour if nothing is said, and a full server does not answer any more.
rgw gc obj min wait = 1
rgw gc processor period = 20
rgw gc processor max time = 20
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${RGW_KMS_KEY}=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
`
}

/**
 * On a machine that runs several at once one now and then meets another's port; a new one, on new
 * ports, comes up.
 */
const ATTEMPTS = 4

/**
 * One Ceph cluster of one monitor, one in-memory OSD and one RADOS Gateway, all on 127.0.0.1 and on
 * ports of its own.
 */
export async function startRgw(): Promise<RgwServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startCluster()
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      console.error(`   ${(error as Error).message}: another attempt`)
    }
  }
}

async function startCluster(): Promise<RgwServer> {
  ensureInstalled(
    ['radosgw', 'ceph-mon', 'ceph-osd'],
    'start an S3 server and set TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY',
  )
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-rgw-'))
  const [monPort, port] = [await freePort(), await freePort()]
  const fsid = randomUUID()
  const conf = path.join(directory, 'ceph.conf')
  mkdirSync(path.join(directory, 'mon'))
  mkdirSync(path.join(directory, 'osd'))
  writeFileSync(path.join(directory, 'keyring'), '')
  writeFileSync(conf, config(directory, fsid, monPort, port))

  const env = { ...process.env, CEPH_CONF: conf }
  const run = (command: string, ...args: string[]) => exec(command, ['-c', conf, ...args], { env, timeout: 60_000 })
  const serve = (command: string, ...args: string[]) =>
    new ServerProcess(command, ['-c', conf, '-f', ...args], path.join(directory, `${command}.out`), env)

  const processes: ServerProcess[] = []
  let gateway: ServerProcess | undefined
  const endpoint = `http://127.0.0.1:${port}`

  const startGateway = async () => {
    const starting = serve('radosgw', '-n', 'client.rgw')
    gateway = starting
    await until(
      'the RADOS Gateway listens',
      () => {
        starting.assertRunning()
        return answers(endpoint)
      },
      120_000,
    )
  }
  const stop = async () => {
    await gateway?.stop()
    for (const process of processes.reverse()) await process.stop()
    rmSync(directory, { recursive: true, force: true })
  }

  try {
    const monmap = path.join(directory, 'monmap')
    await exec('monmaptool', [
      '--create',
      '--clobber',
      '--addv',
      'a',
      `[v1:127.0.0.1:${monPort}]`,
      '--fsid',
      fsid,
      monmap,
    ])
    await run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap)
    processes.push(serve('ceph-mon', '-i', 'a'))
    const osd = randomUUID()
    await run('ceph', 'osd', 'new', osd, '0')
    await run('ceph', 'osd', 'crush', 'add', 'osd.0', '1', 'host=h', 'root=default')
    await run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
    processes.push(serve('ceph-osd', '-i', '0'))
    await until('the OSD is up', async () => (await run('ceph', 'osd', 'stat')).stdout.includes('1 up'), 30_000)
    await startGateway()
    await run(
      'radosgw-admin',
      ...['-n', 'client.rgw', 'user', 'create', '--uid=test', '--display-name=test'],
      ...[`--access-key=${ACCESS_KEY_ID}`, `--secret-key=${SECRET_ACCESS_KEY}`, '--max-buckets=0'],
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    endpoint,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    startGateway,
    killGateway: async () => gateway?.stop(),
    stop,
  }
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await fetch(endpoint)
    return true
  } catch {
    return false // nobody listens yet
  }
}
