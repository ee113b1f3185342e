--- What an instance still holds of a claim that was sent before: the same as the claim answered; and of which claims it holds
-- anything here, the last ones. With `adopts` this process alone serves the instance here from now on; with `tells` every other
-- process hears of it.
-- @flags allow-oom
-- @brings nothing
-- @args instance: string, claim: string, adopts: boolean, tells: boolean
-- @reply [leases: unknown[][], claims: string[]]
-- @errors corruption schema_mismatch
return function(u, a)
  local bytes = {}
  local told = claims.describe(u, { served.held(u, a[1], a[2]) }, bytes)
  local ids = served.claims(u, a[1])
  if a[4] then hints.serves(u, a[1]) end
  if a[3] then served.adopt(u, a[1]) end
  return { told[1], ids }, bytes
end
