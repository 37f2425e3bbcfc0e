// Run by scripts/soak-faults.mjs: `node main.js SECONDS SEED`.
import { soakFaults } from './fault-soak.js'

const [seconds, seed] = process.argv.slice(2).map(Number) as [number, number]
const steps: (() => unknown)[] = []
let status = 0
try {
  const { rounds, faults, slowest } = await soakFaults(
    { after: (step) => void steps.push(step as () => unknown) },
    { seconds, seed, longest: 8000, faults: [1, 6], deadline: 180_000, say: console.log },
  )
  console.log(`${rounds} rounds with ${faults} faults, replicated after ${(slowest / 1000).toFixed(1)} s at most`)
} catch (error) {
  console.error(String((error as Error).stack))
  status = 1
}
for (const step of steps.reverse()) await step()
process.exit(status)
