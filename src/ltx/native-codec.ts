/** The addon's LTX part: whole batches of pages a call. Arguments are checked by the callers; C++ asserts. */
export interface LtxCodecNative {
  /** Continues a CRC-64/GO-ISO; 0n starts one. Updates chain. */
  crc64(crc: bigint, data: Uint8Array): bigint
}
