// The same stream as its authors show it: graphql-ws on ws, one async iterator per subscriber.
// node server.mjs PORT, then a line of JSON for each publication; it answers with one.
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

const schema = buildSchema(`
  type Query { nothing: Int }
  type Account { name: String! }
  type Source { name: String! }
  type Signal {
    id: ID! kind: String! title: String! summary: String! severity: String! status: String!
    occurredAt: String! account: Account source: Source!
  }
  type SignalCreated { cursor: String! signal: Signal! }
  union SignalEvent = SignalCreated
  type Subscription { signals: SignalEvent! }
`)

const subscribers = new Set()

function subscribe() {
  const queue = []
  let wake = null
  const push = (value) => {
    queue.push(value)
    if (wake) { wake(); wake = null }
  }
  subscribers.add(push)
  return {
    [Symbol.asyncIterator]() { return this },
    async next() {
      while (queue.length === 0) await new Promise((resolve) => { wake = resolve })
      return { value: { signals: queue.shift() }, done: false }
    },
    async return() { subscribers.delete(push); return { value: undefined, done: true } },
  }
}

const server = createServer()
const sockets = new WebSocketServer({ server, path: '/graphql', perMessageDeflate: false })
useServer({ schema, roots: { subscription: { signals: subscribe } } }, sockets)
server.listen(Number(process.argv[2]), '127.0.0.1')

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

for await (const line of createInterface({ input: process.stdin })) {
  const { first = 0, count = 0, every = 0, pad = 0 } = JSON.parse(line) ?? {}
  const at = []
  for (let number = first; number < first + count; number++) {
    const event = {
      __typename: 'SignalCreated',
      cursor: 'WyJsb2ciLDEwMDAwMF0',
      signal: {
        id: '019b0000-0000-7000-8000-000000000000', kind: 'sales.deal.won',
        title: `Event ${String(number).padStart(6, '0')}`, summary: 'x'.repeat(pad),
        severity: 'INFO', status: 'OPEN', occurredAt: '2026-11-02T09:00:00+00:00',
        account: { name: 'Acme' }, source: { name: 'hub' },
      },
    }
    at.push(Number(process.hrtime.bigint()) / 1e9)
    for (const push of subscribers) push(event)
    await pause(every)
  }
  const { user, system } = process.cpuUsage()
  const answer = { at, cpu: (user + system) / 1e6, memory: process.memoryUsage().rss }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
process.exit(0)
