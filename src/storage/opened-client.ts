/**
 * Returns `client` if `check` succeeds. If `check` fails, closes the client and throws the error of
 * `check`.
 */
export async function openedClient<T extends { close(): Promise<void> }>(
  client: T,
  check: () => Promise<void>,
): Promise<T> {
  try {
    await check()
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}
