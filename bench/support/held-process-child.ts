import type { Hold } from './held-process.js'

const [module, name, args] = process.argv.slice(2)
const hold = (await import(module!))[name!] as Hold
const end = await hold(...(JSON.parse(args!) as never[]))
process.once('message', async () => {
  await end()
  process.disconnect()
})
process.send!('ready')
