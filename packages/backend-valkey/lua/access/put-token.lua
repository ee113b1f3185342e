--- Creates a token, or changes what it may do: `text`. `expiresMs` -1 is never. A token keeps its hash; a revoked one stays as it is.
-- @flags
-- @repeat request
-- @brings record
-- @args token: string, hash: string, text: string, expiresMs: number
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  tokens.open(u)
  local known = directory.get(u, 'tokens', a[1])
  if not known then
    if directory.is_full(u, 'tokens') then return 'full' end
    tokens.set(u, a[1], { a[2], a[3], u.now, a[4], -1 })
    return 'created'
  end
  if known[tokens.HASH] ~= a[2] then return 'conflict' end
  if known[tokens.REVOKED] ~= -1 then return 'revoked' end
  if known[tokens.TEXT] == a[3] and known[tokens.EXPIRES] == a[4] then return 'unchanged' end
  known[tokens.TEXT], known[tokens.EXPIRES] = a[3], a[4]
  tokens.set(u, a[1], known)
  return 'changed'
end
