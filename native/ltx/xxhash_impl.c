/* xxHash (BSD-2), which LZ4's frame format uses as checksum; from the same place as LZ4 itself. */
#include "xxhash.c"
