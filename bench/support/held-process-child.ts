import type { Hold } from './held-process.js'

const [module, name, args] = process.argv.slice(2)
const hold = (await import(module!))[name!] as Hold
const end = await hold(...(JSON.parse(args!) as never[]))
process.on('message', async (question: string) => {
  if (question !== 'stop') {
    process.send!({ answer: await end.answers![question]!() })
    return
  }
  await end()
  process.disconnect()
})
process.send!('ready')
