/**
 * Merges the settings of a URL with the settings of the caller. If both contain a setting, the
 * setting of the caller takes precedence. An undefined setting of the caller does not hide that of
 * the URL. If the caller gives a setting, mergedSettings() drops the settings of the URL that
 * `drops` lists for this setting. Dropping such settings avoids mixing credentials of two sources.
 */
export function mergedSettings<T extends object>(
  url: T,
  given: T,
  drops?: { readonly [K in keyof T]?: readonly (keyof T)[] },
): T {
  const merged = { ...url }
  const set = (Object.keys(given) as (keyof T)[]).filter((key) => given[key] !== undefined)
  for (const key of set.flatMap((one) => drops?.[one] ?? [])) delete merged[key]
  for (const key of set) merged[key] = given[key]
  return merged
}
