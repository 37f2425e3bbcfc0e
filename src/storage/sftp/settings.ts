import type { Duration } from '../../util/duration.js'
import type { Secret } from '../../util/secret.js'

/**
 * Settings of an SFTP replica, apart from host and path. Names as in the configuration file, in
 * camel case.
 */
export interface SftpSettings {
  /** User name of the login. */
  readonly user?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /** File with the private key, in the format of OpenSSH or PEM; `~` is the home directory. */
  readonly keyPath?: string
  /** Passphrase of the private key. */
  readonly passphrase?: string | Secret
  /** Socket of an SSH agent; default: SSH_AUTH_SOCK, if there is no key and no password. */
  readonly agent?: string
  /**
   * The server's public keys, one per line, in OpenSSH format (`ssh-ed25519 AAAA…`) or as
   * fingerprints (`SHA256:…`). No other key is accepted.
   */
  readonly hostKey?: string
  /**
   * File in the format of known_hosts; default `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
   */
  readonly knownHosts?: string
  /**
   * Accept any host key, as Litestream does without `host-key`: another machine can then pretend to
   * be the server.
   */
  readonly insecureHostKey?: boolean
  /** False: write one block of a file at a time. */
  readonly concurrentWrites?: boolean
  /** Time limit of a connection attempt; default 20 s. */
  readonly timeout?: Duration
}
