import { parentPort, workerData } from 'node:worker_threads'
import { openConnections } from '../connections.js'

// They stay open as long as the thread lives.
const open = openConnections(workerData)
parentPort!.postMessage(open.length)
parentPort!.ref()
parentPort!.on('message', () => open)
