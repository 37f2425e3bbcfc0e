import { openReplicaClient } from '../../../src/storage/open.js'
import { s3Bucket, s3Url } from '../../support/s3.js'
import { conformance } from './suite.js'

conformance({
  name: 's3',
  crowd: 1_200,
  makePlace: async (t) => {
    const bucket = await s3Bucket(t)
    return { open: (path) => openReplicaClient(s3Url(bucket, path.split('/').map(encodeURIComponent).join('/'))) }
  },
})
