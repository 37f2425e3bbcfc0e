// A fresh process that starts an idle thread and reports how long that took.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const start = performance.now()
const worker = new Worker('', { eval: true })
await once(worker, 'online')
process.send!({ thread: performance.now() - start })
await once(worker, 'exit')
process.disconnect()
