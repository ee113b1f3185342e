export type { DueName, DueRecords, DueRow, DueWrite, RecordPlace } from './due-records.js'
export { readRecordPlace, writeRecordPlace } from './record-place.js'
