// After `npm pack`: builds in the checkout take the sources from node_modules again.
import { removeVendor } from './vendor.mjs'

removeVendor()
