import type { Secret } from '../../util/secret.js'

/** What can be said about an SFTP replica beside host and path. The names are those of the configuration file, in camel case. */
export interface SftpSettings {
  readonly user?: string
  readonly password?: string | Secret
  /** File with the private key, in the format of OpenSSH or PEM; `~` is the home directory. */
  readonly keyPath?: string
  /** Decrypts the private key. */
  readonly passphrase?: string | Secret
  /** Socket of an SSH agent; without it, a key and a password, SSH_AUTH_SOCK is used. */
  readonly agent?: string
  /**
   * The server's public keys, one a line, as a file of OpenSSH has them (`ssh-ed25519 AAAA…`) or as fingerprints (`SHA256:…`). No other
   * key is accepted.
   */
  readonly hostKey?: string
  /** File in the format of known_hosts; default `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  readonly knownHosts?: string
  /** Accept any host key, as Litestream does without `host-key`: another machine can pretend to be the server. */
  readonly insecureHostKey?: boolean
  /** False: one block of a file at a time. */
  readonly concurrentWrites?: boolean
  /** Milliseconds until a connection attempt is given up; default 20,000. */
  readonly timeout?: number
}
