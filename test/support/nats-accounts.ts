import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

/** A NATS server that trusts an operator, and a user of an account of it. */
export interface Accounts {
  /** For the server's configuration file. */
  readonly config: string
  readonly jwt: string
  readonly seed: string
  /** A credentials file's text. */
  readonly creds: string
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 }
const ACCOUNT_LIMITS = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const JETSTREAM_LIMITS = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

export function makeAccounts(): Accounts {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const user = nkeys.createUser()
  const accountClaims = (limits: object) => ({ type: 'account', version: 2, limits })
  const preload = [
    `${system.getPublicKey()}: ${jwt(operator, system, 'SYS', accountClaims(ACCOUNT_LIMITS))}`,
    `${account.getPublicKey()}: ${jwt(operator, account, 'app', accountClaims({ ...ACCOUNT_LIMITS, ...JETSTREAM_LIMITS }))}`,
  ]
  const userJwt = jwt(account, user, 'writer', { type: 'user', version: 2, pub: {}, sub: {}, ...UNLIMITED })
  const seed = new TextDecoder().decode(user.getSeed())
  return {
    config: [
      `operator: ${jwt(operator, operator, 'test', { type: 'operator', version: 2 })}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: {\n${preload.join('\n')}\n}`,
    ].join('\n'),
    jwt: userJwt,
    seed,
    creds: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  }
}

function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    jti: name,
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats,
  }
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`
}
