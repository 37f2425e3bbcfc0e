#include "ltx_codec.h"
