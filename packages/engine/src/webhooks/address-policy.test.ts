import { describe, expect, it } from 'vitest'
import { createAddressPolicy, requireAllowed } from './address-policy.js'

const plain = createAddressPolicy({})

describe('an address that webhooks may reach', () => {
  it.each(['93.184.216.34', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:2800:220:1:248:1893:25c8:1946'])(
    '%s is',
    (address) => expect(plain.isAllowed(address)).toBe(true),
  )

  it.each([
    '0.0.0.0',
    '10.255.255.255',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.19.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:8.8.8.8',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '',
    '127.1',
  ])('%s is not', (address) => expect(plain.isAllowed(address)).toBe(false))

  it('may be allowed by network or alone', () => {
    const policy = createAddressPolicy({ allow: ['10.1.0.0/16', '::1', '192.168.7.7'] })
    expect(['10.1.2.3', '::1', '192.168.7.7'].every((each) => policy.isAllowed(each))).toBe(true)
    expect(['10.2.0.1', '::2', '192.168.7.8', '127.0.0.1'].some((each) => policy.isAllowed(each))).toBe(false)
  })

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0/8', 'example.org', '::1/129', '10.0.0.0/8/8', 'fe80::1%eth0'])(
    'a setting of %s is refused',
    (network) =>
      expect(() => createAddressPolicy({ allow: [network] })).toThrow(
        expect.objectContaining({ code: 'invalid_configuration' }),
      ),
  )
})

describe('the URL of a webhook', () => {
  const refuses = (url: string) => {
    try {
      requireAllowed(plain, url)
      return false
    } catch (error) {
      return (error as { code?: string }).code === 'invalid_webhook_url'
    }
  }

  it.each(['https://example.org/a?b=c', 'https://8.8.8.8:8443/'])('%s will do', (url) =>
    expect(refuses(url)).toBe(false),
  )

  it.each([
    'http://example.org/',
    'https://127.0.0.1/',
    'https://0x7f.1/',
    'https://017700000001/',
    'https://2130706433/',
    'https://[::ffff:127.0.0.1]/',
    'https://[fd00::1]/',
  ])('%s will not', (url) => expect(refuses(url)).toBe(true))

  it('may be of http where that is allowed, and of what is allowed only', () => {
    const policy = createAddressPolicy({ allow: ['127.0.0.0/8'], allowHttp: true })
    expect(requireAllowed(policy, 'http://127.0.0.1:80/').hostname).toBe('127.0.0.1')
    expect(() => requireAllowed(policy, 'http://10.0.0.1/')).toThrow('is none that deliveries may go to')
  })
})
