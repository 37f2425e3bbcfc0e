// The platforms with a prebuilt addon. src/native/platform.ts derives the same names at run time.

/**
 * `name`: of prebuilds/NAME.node; `zig`: the target as zig names it; `format` and `machine`: what
 * the file must be.
 *
 * glibc 2.28 is that of Debian 10, RHEL 8 and Ubuntu 20.04's predecessor, and the oldest that
 * Node.js 20 itself runs on.
 */
export const TARGETS = [
  { name: 'linux-x64', zig: 'x86_64-linux-gnu.2.28', format: 'elf', machine: 'x64' },
  { name: 'linux-arm64', zig: 'aarch64-linux-gnu.2.28', format: 'elf', machine: 'arm64' },
  { name: 'linuxmusl-x64', zig: 'x86_64-linux-musl', format: 'elf', machine: 'x64' },
  { name: 'linuxmusl-arm64', zig: 'aarch64-linux-musl', format: 'elf', machine: 'arm64' },
  { name: 'darwin-x64', zig: 'x86_64-macos.11.0', format: 'macho', machine: 'x64' },
  { name: 'darwin-arm64', zig: 'aarch64-macos.11.0', format: 'macho', machine: 'arm64' },
  { name: 'win32-x64', zig: 'x86_64-windows-gnu', format: 'pe', machine: 'x64' },
  { name: 'win32-arm64', zig: 'aarch64-windows-gnu', format: 'pe', machine: 'arm64' },
]

/** The newest glibc version that a symbol may need. */
export const GLIBC = [2, 28]
/** Bytes that a binary must stay below. */
export const MAX_SIZE = 1024 * 1024
