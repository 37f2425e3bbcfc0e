import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { LoopbackGcs } from '../../support/loopback-gcs.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/**
 * Workload identity: the token server of `store` changes the token of a file to one of the store.
 */
function workloadIdentity({ endpoint }: LoopbackGcs, directory: string): string {
  const subject = path.join(directory, 'subject-token')
  writeFileSync(subject, 'workload-1')
  return JSON.stringify({
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${endpoint}/token`,
    credential_source: { file: subject },
  })
}

/**
 * Has GOOGLE_APPLICATION_CREDENTIALS name a file until the test ends: of workload identity at the
 * token server of `store`, or with the `content` given, where undefined is no file.
 */
export function credentialsFor(t: TestContext, store: LoopbackGcs, ...content: [(string | undefined)?]): void {
  const directory = temporaryDirectory(t)
  const name = path.join(directory, 'credentials.json')
  const text = content.length === 0 ? workloadIdentity(store, directory) : content[0]
  if (text === undefined) rmSync(name, { force: true })
  else writeFileSync(name, text)
  process.env.GOOGLE_APPLICATION_CREDENTIALS = name
  t.after(() => {
    delete process.env.GOOGLE_APPLICATION_CREDENTIALS
  })
}
