// What is not reached over the internet, or only through something else (IANA special-purpose registries).
const NOT_PUBLIC_IPV4: [network: string, bits: number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** Whether an IP address, written in any way, is one of the public internet. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  if (/[/\\?#@[\]\s]/.test(address)) return false;
  // The URL parser knows every spelling: 127.1, 0x7f000001, 017700000001, ::ffff:127.0.0.1.
  const host = URL.parse(`http://${address.includes(':') ? `[${address}]` : address}/`)?.hostname;
  if (host === undefined) return false;
  const v4 = readIpv4(host);
  if (v4 !== undefined) return isPublicIpv4(v4);
  const groups = readIpv6(host);
  return groups !== undefined && isPublicIpv6(groups);
}

/** Whether the host of a URL is an address in place of a name. */
export function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || readIpv4(hostname) !== undefined;
}

function isPublicIpv4(address: number): boolean {
  return !NOT_PUBLIC_IPV4.some(([network, bits]) => {
    const size = 2 ** (32 - bits);
    return Math.floor(address / size) === Math.floor((readIpv4(network) ?? 0) / size);
  });
}

function isPublicIpv6(groups: number[]): boolean {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const embedded = g * 65_536 + h;
  // IPv4 in another coat: mapped (::ffff:0:0/96), and through NAT64 (64:ff9b::/96), as IPv6-only networks have it.
  if ((a | b | c | d | e) === 0 && f === 0xffff) return isPublicIpv4(embedded);
  if (a === 0x64 && b === 0xff9b && (c | d | e | f) === 0) return isPublicIpv4(embedded);
  // Global unicast is 2000::/3; out of it go protocol assignments (Teredo among them), documentation and 6to4.
  if (a < 0x2000 || a > 0x3fff) return false;
  return !(
    (a === 0x2001 && b < 0x200) ||
    (a === 0x2001 && b === 0xdb8) ||
    a === 0x2002 ||
    (a === 0x3fff && b < 0x1000)
  );
}

/** As the URL parser writes it, four decimal numbers; undefined for everything else. */
function readIpv4(host: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  return parts?.every((part) => part < 256) ? parts.reduce((sum, part) => sum * 256 + part, 0) : undefined;
}

/** As the URL parser writes it, in brackets and hexadecimal; undefined for everything else. */
function readIpv6(host: string): number[] | undefined {
  const text = /^\[([0-9a-f:]+)\]$/.exec(host)?.[1];
  if (text === undefined) return undefined;
  const [head = '', tail] = text.split('::');
  const groupsOf = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16));
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array.from({ length: zeros }, () => 0), ...last];
}
