// A Bluesky PDS (personal data server) on loopback, and beside it what it asks: a directory of
// identities (PLC), which keeps the last operation of each and checks nothing.
import fs from 'node:fs'
import http from 'node:http'
import pds from '@atproto/pds'

const listen = http.Server.prototype.listen
http.Server.prototype.listen = function (port, ...more) {
  // PDS.start() would listen on all interfaces.
  return listen.call(this, port, '127.0.0.1', ...more.filter((one) => typeof one === 'function'))
}

const kept = 'data/plc.json' // for the next start of the same run
const operations = new Map(fs.existsSync(kept) ? JSON.parse(fs.readFileSync(kept)) : [])
const document = (did, made) => ({
  '@context': ['https://www.w3.org/ns/did/v1'],
  id: did,
  alsoKnownAs: made.alsoKnownAs,
  verificationMethod: Object.entries(made.verificationMethods).map(([name, key]) => ({
    id: `${did}#${name}`,
    type: 'Multikey',
    controller: did,
    publicKeyMultibase: key.replace('did:key:', ''),
  })),
  service: Object.entries(made.services).map(([name, service]) => ({
    id: `#${name}`,
    type: service.type,
    serviceEndpoint: service.endpoint,
  })),
})
const answers = {
  undefined: document,
  data: (did, made) => ({ did, ...made }),
  log: (did, made) => [made],
}

http
  .createServer((request, response) => {
    const [did, what, last] = decodeURIComponent(request.url.slice(1)).split('/')
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    let body = ''
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      if (request.method === 'POST') {
        operations.set(did, JSON.parse(body))
        fs.writeFileSync(kept, JSON.stringify([...operations]))
        return answer(200, {})
      }
      const made = operations.get(did)
      if (!made) return answer(404, { message: 'DID not registered' })
      return answer(200, last ? made : answers[what](did, made))
    })
  })
  .listen(Number(process.env.PLC_PORT))

const { PDS, envToCfg, envToSecrets, readEnv } = pds
const environment = readEnv()
const server = await PDS.create(envToCfg(environment), envToSecrets(environment))
await server.start()
process.on('SIGTERM', async () => {
  await server.destroy()
  process.exit(0)
})
