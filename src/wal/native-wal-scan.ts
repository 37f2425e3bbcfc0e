/** The addon's WAL part: frame checksums and salts, whole buffers of frames a call. */
// biome-ignore lint/suspicious/noEmptyInterface: filled with the WAL reader
export interface WalScanNative {}
