import { runTask } from './fresh-process.js'

const [module, name, args] = process.argv.slice(2)
process.send!(await runTask(module!, name!, JSON.parse(args!)))
process.disconnect()
