#!/usr/bin/env node
// The install script of better-sqlite3 runs `prebuild-install || node-gyp rebuild --release`. The
// first would download a binary, and the second compiles on one core, before anything else of this
// checkout is compiled. In a checkout this program takes the place of the first and does nothing;
// scripts/build-checkout.mjs then compiles the driver and the addon at the same time.
