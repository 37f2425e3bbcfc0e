/**
 * The settings of a URL with those of the caller, which take precedence; an undefined one does not
 * hide the URL's. `drops`: settings of the URL that do not count if the caller has the setting
 * under which they stand, because credentials of two sources are not mixed.
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
