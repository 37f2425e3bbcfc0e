let isSharing = false

/**
 * After this call, all clients that this thread opens share their connections. A process with
 * thousands of databases then needs one connection per running request instead of one or more per
 * database. With shared connections, most requests find an open connection that they can reuse.
 */
export function shareConnections(): void {
  isSharing = true
}

export function areConnectionsShared(): boolean {
  return isSharing
}
