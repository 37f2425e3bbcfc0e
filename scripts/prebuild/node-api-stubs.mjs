// On Windows the functions of Node-API are in the program that loads the addon. An import library
// would bind them to `node.exe`, and the addon would fail in every program of another name
// (Electron, a single executable). So each function is a jump through a table that is filled from
// the running program when the addon is loaded.
import { createRequire } from 'node:module'

/** The version of Node-API that the addon is compiled for. */
export const NODE_API_VERSION = 8

const JUMP = {
  x64: (i) => [`jmp *ls_node_api+${8 * i}(%rip)`],
  arm64: (i) => ['adrp x16, ls_node_api', 'add x16, x16, :lo12:ls_node_api', `ldr x16, [x16, #${8 * i}]`, 'br x16'],
}

/** The C source of the jumps for an architecture. */
export function nodeApiStubs(machine) {
  const { js_native_api_symbols, node_api_symbols } = createRequire(import.meta.url)('node-api-headers').symbols[
    `v${NODE_API_VERSION}`
  ]
  const names = [...js_native_api_symbols, ...node_api_symbols].sort()
  const jumps = names.map((name, i) =>
    [`.globl ${name}`, `${name}:`, ...JUMP[machine](i)].map((line) => `    "${line}\\n"`).join('\n'),
  )
  return `#include <windows.h>
void* ls_node_api[${names.length}];
static const char* const names[] = {${names.map((name) => `"${name}"`).join(', ')}};
__attribute__((constructor)) static void resolve(void) {
  HMODULE program = GetModuleHandleW(NULL);
  for (int i = 0; i < ${names.length}; i++) ls_node_api[i] = (void*)GetProcAddress(program, names[i]);
}
__asm__(
    ".text\\n"
${jumps.join('\n')});
`
}
