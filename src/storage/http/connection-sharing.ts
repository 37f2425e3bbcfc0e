let isSharing = false

/**
 * After a call of shareConnections(), all clients that this thread opens share their connections. A
 * process with thousands of databases then needs one connection per running request, instead of at
 * least one per database. With shared connections, most requests can reuse an open connection.
 */
export function shareConnections(): void {
  isSharing = true
}

export function areConnectionsShared(): boolean {
  return isSharing
}
