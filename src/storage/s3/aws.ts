// The parts of the AWS SDK that this package uses. scripts/bundle.mjs writes these parts of the AWS
// SDK, with their dependencies, to separate files of the package. Node.js loads these files only
// for S3. The tests use the same files of the AWS SDK. package.json lists these files under
// `imports`, for the condition "shipped". Types are imported from the SDK itself.
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '#aws-sdk'
