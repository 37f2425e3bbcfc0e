import type { SftpSettings } from '../../src/storage/sftp/settings.js'
import type { SshServer } from './servers/sshd.js'

/** The replica URL of a folder of the server, without a way to log in. */
export function sftpUrl(server: Pick<SshServer, 'user' | 'port'>, folder: string): string {
  const path = folder.split('/').map(encodeURIComponent).join('/')
  return `sftp://${encodeURIComponent(server.user)}@127.0.0.1:${server.port}${path}`
}

/**
 * As `sftpUrl`, with the key to log in with and the server's key: everything that a client needs.
 */
export function wholeSftpUrl(server: SshServer, folder: string): string {
  const query = new URLSearchParams({ keyPath: server.keyPath, hostKey: server.hostKey })
  return `${sftpUrl(server, folder)}?${query}`
}

export function sftpSettings({ keyPath, hostKey }: SshServer): SftpSettings {
  return { keyPath, hostKey }
}
