--- A token as it is stored, with its hash; an empty answer when there is none.
-- @flags no-writes
-- @args token: string
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  return directory.get(u, 'tokens', a[1]) or {}
end
