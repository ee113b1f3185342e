import { BlockList, isIP } from 'node:net'
import { engineError, parseWebhookUrl } from '@flowfabric/core'

export interface WebhookPolicyOptions {
  /**
   * Networks (`10.1.0.0/16`, `::1/128`) or single addresses that deliveries may go to though they are not public. Default: none.
   */
  readonly allow?: readonly string[] | undefined
  /** Whether `http:` will do. Default: `https:` only. */
  readonly allowHttp?: boolean | undefined
}

/** Where deliveries may go: a webhook's owner must not reach through the engine what only the engine can reach. */
export interface AddressPolicy {
  isAllowed(address: string): boolean
  /** As far as the URL itself tells: a host that is a name is judged when it is resolved, for each connection. */
  fault(url: URL): string | undefined
}

/** Throws `invalid_configuration`. */
export function createAddressPolicy({ allow = [], allowHttp = false }: WebhookPolicyOptions): AddressPolicy {
  const allowed = new BlockList()
  for (const network of allow) addNetwork(allowed, network)
  const isAllowed = (address: string): boolean => {
    const family = isIP(address)
    // An address with a zone is of a link.
    if (family === 0 || address.includes('%')) return false
    if (family === 4) return allowed.check(address) || !special4.check(address)
    if (allowed.check(address, 'ipv6')) return true
    return global6.check(address, 'ipv6') && !special6.check(address, 'ipv6')
  }
  return {
    isAllowed,
    fault(url) {
      if (url.protocol !== 'https:' && !allowHttp) return 'must begin with https:'
      const host = hostOf(url)
      return isIP(host) !== 0 && !isAllowed(host) ? 'is none that deliveries may go to' : undefined
    },
  }
}

/** The URL, if deliveries may go there as far as it tells itself. Throws `invalid_webhook_url`. */
export function requireAllowed(policy: AddressPolicy, text: string): URL {
  const url = parseWebhookUrl(text)
  const fault = policy.fault(url)
  if (fault !== undefined) throw engineError('invalid_webhook_url', `The address ${fault}`)
  return url
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

function addNetwork(list: BlockList, network: string): void {
  const [address = '', prefix, ...rest] = network.split('/')
  const family = isIP(address)
  const bits = family === 4 ? 32 : 128
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
  if (family === 0 || rest.length > 0 || address.includes('%') || length < 0 || length > bits) {
    throw engineError('invalid_configuration', `Not a network that webhooks may reach: ${network}`)
  }
  list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6')
}

function networks(family: 'ipv4' | 'ipv6', list: readonly string[]): BlockList {
  const blocked = new BlockList()
  for (const network of list) {
    const [address = '', length = ''] = network.split('/')
    blocked.addSubnet(address, Number(length), family)
  }
  return blocked
}

/** This host, private, shared, loopback, link-local, documentation, benchmarks, relays, multicast, reserved, broadcast. */
const special4 = networks('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
])

/** All that is routed in public; what carries an IPv4 address inside (mapped, translated, NAT64) lies outside of it. */
const global6 = networks('ipv6', ['2000::/3'])

/** Of that: protocols' own, Teredo among them; documentation; 6to4, which carries an IPv4 address too. */
const special6 = networks('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])
