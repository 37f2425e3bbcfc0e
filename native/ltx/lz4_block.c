/* LZ4 1.10.0 (BSD-2), compiled from the sources that the npm package lmdb carries; binding.gyp puts its folder on the path. */
#include "lz4.c"
