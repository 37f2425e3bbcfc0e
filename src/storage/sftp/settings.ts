import type { Duration } from '../../util/duration.js'
import type { Secret } from '../../util/secret.js'

/**
 * Settings of an SFTP replica, except the host and the path. Each setting has the name of its key
 * in the configuration file, in camel case.
 */
export interface SftpSettings {
  /** Name of the user. */
  readonly user?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /**
   * Path of the private key in the format of OpenSSH or PEM. A leading `~` means the home
   * directory.
   */
  readonly keyPath?: string
  /** Passphrase of the private key. */
  readonly passphrase?: string | Secret
  /**
   * Socket of an SSH agent. If neither a key nor a password is set, the default of `agent` is the
   * value of SSH_AUTH_SOCK.
   */
  readonly agent?: string
  /**
   * The server's public keys, one per line, in OpenSSH format (`ssh-ed25519 AAAA…`) or as
   * fingerprints (`SHA256:…`). The client accepts no key that is not in this list.
   */
  readonly hostKey?: string
  /**
   * Path of a file in the format of known_hosts. By default, the client reads `~/.ssh/known_hosts`
   * and `/etc/ssh/ssh_known_hosts`.
   */
  readonly knownHosts?: string
  /**
   * Whether the client accepts any host key, as Litestream does without `host-key`. With
   * `insecureHostKey`, the client does not notice if another machine pretends to be the server.
   */
  readonly insecureHostKey?: boolean
  /** Whether the client may write several blocks of a file at the same time. Default: true. */
  readonly concurrentWrites?: boolean
  /** Timeout of a connection attempt. Default: 20 s. */
  readonly timeout?: Duration
}
