// Takes the lock of the target that is the first argument, says so, and keeps it until the process
// is killed.
import { TargetLock } from '../../src/fs/target-lock.js'

await TargetLock.acquire(process.argv[2]!, { wait: false, signal: new AbortController().signal })
console.log('locked')
setInterval(() => {}, 1000)
