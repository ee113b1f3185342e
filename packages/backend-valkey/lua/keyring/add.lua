--- Records a signing key; one that is there stays as it is. `signsFromMs` -1 is now. Answers what is recorded, or 'full'.
-- @flags
-- @repeat request
-- @brings record
-- @args key: string, fingerprint: string, signsFromMs: number
-- @reply [word: string, record: unknown[]]
-- @errors corruption schema_mismatch
return function(u, a)
  local known = directory.get(u, 'keyring', a[1])
  if known then return { 'known', known } end
  if directory.is_full(u, 'keyring') then return { 'full', {} } end
  local record = { a[2], a[3] >= 0 and a[3] or u.now, -1, -1 }
  directory.set(u, 'keyring', a[1], record)
  return { 'added', record }
end
